/** Why a file that somebody named cannot be read, and what to do. */
export function unreadable(file: string, { code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return `there is no file ${file}: check its path, which is one of the machine of the run`;
    case "EACCES":
    case "EPERM":
      return `${file} may not be read by the user of this process: change its mode or owner`;
    case "EISDIR":
      return `${file} is a folder: name the file itself`;
    default:
      return `${file} cannot be read: ${message}`;
  }
}
