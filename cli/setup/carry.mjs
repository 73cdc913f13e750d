import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

/** What of ONNX Runtime runs where Millrace runs; its package holds more platforms and copies. */
const platforms = ["linux/x64", "linux/arm64", "darwin/arm64"];

/** Of two equal files the one that the binding names is kept. */
const copies = /^libonnxruntime\.\d+\.\d+\.\d+\.dylib$/;

/**
 * Puts ONNX Runtime into `vendor/`, for the package to carry: as a dependency it would download
 * GPU files from elsewhere in the midst of the user's `npm install`, and fail where it cannot.
 * Why so: docs/decisions/0022-the-package-carries-onnx-runtime.md.
 *
 * @throws {Error} when a file that it needs is not where its package had it.
 */
export function carryOnnxRuntime(root) {
  const from = join(root, "node_modules", "onnxruntime-node");
  const to = join(root, "vendor", "onnxruntime-node");
  rmSync(to, { recursive: true, force: true });
  const { name, version, license, repository } = readJson(join(from, "package.json"));
  const files = filesOf(from, "dist").filter((file) => file.endsWith(".js"));
  for (const platform of platforms) {
    const found = filesOf(from, join("bin", "napi-v6", platform));
    if (!found.some((file) => file.endsWith(".node"))) {
      throw new Error(`onnxruntime-node ${version} has no build for ${platform} any more.`);
    }
    files.push(...found.filter((file) => !copies.test(file.slice(file.lastIndexOf("/") + 1))));
  }
  for (const file of files) {
    mkdirSync(dirname(join(to, file)), { recursive: true });
    copyFileSync(join(from, file), join(to, file));
  }
  const about = { name, version, license, repository, type: "commonjs", main: "dist/index.js" };
  writeFileSync(join(to, "package.json"), `${JSON.stringify(about, null, 2)}\n`);
}

function filesOf(root, folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder)).map((name) => join(folder, name));
}

function readJson(file) {
  return JSON.parse(readFileSync(file, "utf8"));
}
