/** What stands in a folder: a file, or a folder of its own. */
export interface FolderEntry<File> {
  readonly name: string;
  /** Null: a folder. */
  readonly file: File | null;
}

type Node<File extends object> = Map<string, Node<File> | { readonly file: File }>;

/** Files by paths of any depth, parted by slashes. */
export class FileTree<File extends object> {
  readonly #root: Node<File> = new Map();
  #size = 0;

  /** Number of files. */
  get size(): number {
    return this.#size;
  }

  /** Whether a file may stand at a path: no folder is there, and no file in its way. */
  admits(path: string): boolean {
    let folder = this.#root;
    const parts = path.split("/");
    for (const part of parts.slice(0, -1)) {
      const found = folder.get(part);
      if (found === undefined) return true;
      if (!(found instanceof Map)) return false;
      folder = found;
    }
    return !(folder.get(parts.at(-1) ?? "") instanceof Map);
  }

  /** Puts a file where {@link admits} says that it may stand, in place of one that is there. */
  put(path: string, file: File): void {
    let folder = this.#root;
    const parts = path.split("/");
    for (const part of parts.slice(0, -1)) {
      const found = folder.get(part);
      const inner: Node<File> = found instanceof Map ? found : new Map();
      if (found === undefined) folder.set(part, inner);
      folder = inner;
    }
    const name = parts.at(-1) ?? "";
    if (!folder.has(name)) this.#size++;
    folder.set(name, { file });
  }

  get(path: string): File | null {
    const found = this.#at(path);
    return found === null || found instanceof Map ? null : found.file;
  }

  /** Takes a file or a whole folder away; whether there was one. */
  delete(path: string): boolean {
    const parts = path.split("/");
    const folder = parts.length === 1 ? this.#root : this.#at(parts.slice(0, -1).join("/"));
    if (!(folder instanceof Map)) return false;
    const name = parts.at(-1) ?? "";
    const gone = folder.get(name);
    if (gone === undefined) return false;
    folder.delete(name);
    this.#size -= gone instanceof Map ? countOf(gone) : 1;
    // An empty folder is none.
    if (folder.size === 0 && parts.length > 1) this.delete(parts.slice(0, -1).join("/"));
    return true;
  }

  /** What stands in a folder, by name; empty where there is none. "" is the root. */
  list(path: string): FolderEntry<File>[] {
    const found = path === "" ? this.#root : this.#at(path);
    if (!(found instanceof Map)) return [];
    return [...found]
      .map(([name, each]) => ({ name, file: each instanceof Map ? null : each.file }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** All files below a folder, by their paths within it. */
  below(path: string): Record<string, File> {
    const files: [string, File][] = [];
    const walk = (folder: string, prefix: string): void => {
      for (const { name, file } of this.list(folder)) {
        if (file === null) walk(`${folder}/${name}`, `${prefix}${name}/`);
        else files.push([`${prefix}${name}`, file]);
      }
    };
    walk(path, "");
    return Object.fromEntries(files);
  }

  /** All files by their paths, in no order. */
  *entries(): Generator<[string, File]> {
    yield* filesOf(this.#root, "");
  }

  #at(path: string): Node<File> | { readonly file: File } | null {
    let found: Node<File> | { readonly file: File } = this.#root;
    for (const part of path.split("/")) {
      if (!(found instanceof Map)) return null;
      const next: Node<File> | { readonly file: File } | undefined = found.get(part);
      if (next === undefined) return null;
      found = next;
    }
    return found;
  }
}

function countOf<File extends object>(folder: Node<File>): number {
  let count = 0;
  for (const each of folder.values()) count += each instanceof Map ? countOf(each) : 1;
  return count;
}

function* filesOf<File extends object>(
  folder: Node<File>,
  prefix: string,
): Generator<[string, File]> {
  for (const [name, each] of folder) {
    const path = `${prefix}${name}`;
    if (each instanceof Map) yield* filesOf(each, `${path}/`);
    else yield [path, each.file];
  }
}
