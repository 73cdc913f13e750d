/** Tiles of a window at least: what one holds leaves late by less than 1 % of the window. */
export const tilesMin = 100;

/**
 * Length in ms of the tiles that a window may lose, for windows of ascending lengths: 1 % of the
 * window or finer, never below 1 ms, and a multiple of the size before, so that finer tiles nest in
 * coarser ones. A window has fewer than 200 tiles of its size, or one each ms.
 *
 * Windows of 15 min, 1 h, 3 h and 24 h → 9 s, 36 s, 108 s and 864 s.
 */
export function tileSizes(windowMs: Float64Array): Float64Array {
  let sizeMs = 1;
  return windowMs.map((lengthMs) => {
    sizeMs *= Math.max(1, Math.floor(lengthMs / tilesMin / sizeMs));
    return sizeMs;
  });
}
