// Makes the package: bundles the sources, puts the server and its schema beside them, and writes a `.vsix`.
//
//   npm run package -- --target linux-x64 --server PATH [--out FILE]
//
// The same inputs and SOURCE_DATE_EPOCH give the same bytes.

import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createVSIX } from "@vscode/vsce";
import { build } from "esbuild";

const here = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({
  options: { target: { type: "string" }, server: { type: "string" }, out: { type: "string" } },
});
if (!values.target || !values.server) {
  console.error("usage: npm run package -- --target linux-x64 --server PATH [--out FILE]");
  process.exit(2);
}

const manifest = JSON.parse(readFileSync(path.join(here, "package.json"), "utf8"));
const server = path.resolve(process.env.INIT_CWD ?? process.cwd(), values.server);
const version = execFileSync(server, ["--version"], { encoding: "utf8" }).trim();
if (version !== `self-harness ${manifest.version}`) {
  console.error(`error: ${server} is \`${version}\`, and the extension is ${manifest.version}: build both from one commit`);
  process.exit(1);
}

for (const directory of ["dist", "server"]) {
  rmSync(path.join(here, directory), { recursive: true, force: true });
  mkdirSync(path.join(here, directory));
}
const program = path.join(here, "server", "self-harness");
copyFileSync(server, program);
chmodSync(program, 0o755);
writeFileSync(path.join(here, "dist", "harness.schema.json"), execFileSync(server, ["schema"]));
await build({
  absWorkingDir: here,
  entryPoints: ["src/extension.ts"],
  outfile: "dist/extension.js",
  bundle: true,
  external: ["vscode"],
  format: "cjs",
  legalComments: "eof",
  logLevel: "warning",
  minify: true,
  platform: "node",
  target: "node20",
});
const epoch = Number(process.env.SOURCE_DATE_EPOCH ?? Number.NaN);
if (Number.isFinite(epoch)) {
  for (const file of [program, ...["harness.schema.json", "extension.js"].map((name) => path.join(here, "dist", name))]) {
    utimesSync(file, epoch, epoch);
  }
}

const out = path.resolve(
  process.env.INIT_CWD ?? process.cwd(),
  values.out ?? `${manifest.name}-${manifest.version}-${values.target}.vsix`,
);
await createVSIX({
  cwd: here,
  packagePath: out,
  target: values.target,
  dependencies: false,
  rewriteRelativeLinks: false,
  allowMissingRepository: true,
});
