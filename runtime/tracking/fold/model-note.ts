/** A change of what a registered model is or stands for, as people look it up. */
export interface ModelNote {
  /** UTC ms. */
  readonly at: number;
  readonly by: string;
  readonly what: string;
  readonly from: string;
  readonly to: string;
  readonly why: string;
}
