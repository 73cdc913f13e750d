/** What decides whether Millrace runs here. */
export function thisPlatform() {
  return {
    node: process.versions.node,
    platform: process.platform,
    arch: process.arch,
    musl: process.platform === "linux" && isMusl(),
  };
}

/** One sentence saying why Millrace cannot run on this machine and what to do, or null. */
export function platformProblem({ node, platform, arch, musl }) {
  const [major, minor] = node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    return `Millrace needs Node 20.19 or newer and this is Node ${node}: install a newer one from https://nodejs.org.`;
  }
  if (platform === "win32") {
    return "Millrace does not run on Windows itself: start it in WSL 2 with Ubuntu or Debian.";
  }
  if (platform === "darwin" && arch !== "arm64") {
    return "Millrace does not run on Intel Macs (ONNX Runtime has no build for them): use Linux or an Apple silicon Mac.";
  }
  if (platform !== "darwin" && platform !== "linux") {
    return `Millrace does not run on ${platform}: use Linux (x64 or arm64) or an Apple silicon Mac.`;
  }
  if (arch !== "x64" && arch !== "arm64") {
    return `Millrace does not run on ${arch} processors: use x64 or arm64.`;
  }
  if (musl) {
    return "Millrace does not run on Alpine or other musl-based Linux (chDB needs glibc): use a Debian-based image such as node:22-bookworm-slim.";
  }
  return null;
}

/** Node says which glibc it runs on; a build without one runs on musl. */
function isMusl() {
  if (!process.report) return false;
  // Without this the report looks up host names, which can take seconds.
  process.report.excludeNetwork = true;
  return !process.report.getReport().header.glibcVersionRuntime;
}
