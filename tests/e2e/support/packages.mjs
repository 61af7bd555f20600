// Installs what package-lock.json names, unless exactly that is there already. Run by CTest before the tests.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";

const folder = fileURLToPath(new URL("..", import.meta.url));
const lock = readFileSync(join(folder, "package-lock.json"), "utf8");
const stamp = join(folder, "node_modules", ".installed");

if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== lock) {
  const run = spawnSync("npm", ["ci"], { cwd: folder, stdio: "inherit" });
  if (run.status !== 0) process.exit(1);
  writeFileSync(stamp, lock);
}
