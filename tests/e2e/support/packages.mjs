// Installs what package-lock.json names, unless exactly that is there already. CTest runs it before the tests.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";

const folder = fileURLToPath(new URL("..", import.meta.url));

/** A lock file's packages: {path: integrity}. npm keeps one of what it has installed in node_modules. */
function packages(...path) {
  try {
    const { packages } = JSON.parse(readFileSync(join(folder, ...path), "utf8"));
    const entries = Object.entries(packages).filter(([path]) => path !== "");
    return Object.fromEntries(entries.map(([path, { integrity }]) => [path, integrity]));
  } catch (error) {
    if (error.code === "ENOENT") return null;
    throw error;
  }
}

if (!isDeepStrictEqual(packages("node_modules", ".package-lock.json"), packages("package-lock.json"))) {
  const { status } = spawnSync("npm", ["ci"], { cwd: folder, stdio: "inherit" });
  process.exitCode = status ?? 1;
}
