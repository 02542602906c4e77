// Builds dist/: types and ES modules by tsc, from those the CommonJS modules by esbuild. `--check` builds nothing else.
import { execFileSync } from "node:child_process";
import { cpSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
process.chdir(here);
rmSync("dist", { recursive: true, force: true });
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc"], { stdio: "inherit" });
const modules = readdirSync("dist/esm").filter((name) => name.endsWith(".js") && !["browser.js", "cli.js"].includes(name));
await build({
  entryPoints: modules.map((name) => `dist/esm/${name}`),
  outdir: "dist/cjs",
  format: "cjs",
  platform: "node",
  target: "node20",
});
for (const name of modules) cpSync(`dist/esm/${name.replace(/js$/, "d.ts")}`, `dist/cjs/${name.replace(/js$/, "d.ts")}`);
writeFileSync("dist/cjs/package.json", '{ "type": "commonjs" }\n');
