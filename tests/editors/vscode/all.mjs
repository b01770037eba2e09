// Plays all parts, or those that are named, and sums up: the last line is `N passed, N failed`.

import { readdirSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { faults } from "./faults.mjs";
import { host } from "./host.mjs";
import { inStep } from "./in-step.mjs";
import { ui } from "./ui.mjs";

const PARTS = { "in-step": inStep, ui, host, faults };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { "code-server": { type: "string" }, work: { type: "string" }, binary: { type: "string" } },
});
const extensions = path.join(values.work, "extensions");
const setUp = {
  codeServer: values["code-server"],
  binary: values.binary,
  extensions,
  extension: path.join(extensions, readdirSync(extensions).find((name) => name.startsWith("self-harness."))),
  pictures: path.join(values.work, "pictures"),
};

let passed = 0;
let failed = 0;
for (const [name, part] of Object.entries(PARTS)) {
  if (0 < positionals.length && !positionals.includes(name)) {
    continue;
  }
  const step = async (title, work) => {
    const begin = Date.now();
    await work().then(
      () => {
        passed += 1;
        console.log(`ok      ${name}: ${title} (${((Date.now() - begin) / 1000).toFixed(1)} s)`);
      },
      (error) => {
        console.log(`FAILED  ${name}: ${title}`);
        throw error;
      },
    );
  };
  try {
    await part(setUp, async (title, work) => step(title, async () => work()));
  } catch (error) {
    failed += 1;
    console.log(error);
  }
}
console.log(`${passed} passed, ${failed} failed; pictures in ${setUp.pictures}`);
process.exitCode = failed === 0 && 0 < passed ? 0 : 1;
