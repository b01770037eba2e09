// Tests inside of the extension host: the editor runs them itself, with the extension as it was packaged.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Lab } from "./lab.mjs";
import { Workbench, until } from "./workbench.mjs";

const HERE = path.dirname(fileURLToPath(import.meta.url));

/** Runs them; each is a step. */
export async function host(setUp, step) {
  const lab = await new Lab(setUp.binary, 4, { key: "MODEL_API_KEY" }).open();
  const settings = { "security.workspace.trust.enabled": false };
  const environment = { SELF_HARNESS_TEST_REPORT: path.join(lab.directory, "report.txt") };
  const desk = new Workbench({ ...setUp, lab, settings, first: 30, environment, isDriven: true });
  try {
    await desk.start();
    await inHost(desk, setUp, step);
  } finally {
    await desk.shot("host").catch(() => undefined);
    await desk.close();
    lab.close();
  }
}

/** Runs those that the environment of an editor names. */
export async function inHost(desk, setUp, step) {
  const { environment, lab } = desk.options;
  const report = environment.SELF_HARNESS_TEST_REPORT;
  const said = [];
  let code;
  await desk.page.exposeFunction("codeAutomationExit", (exit) => (code = exit));
  await desk.page.exposeFunction("codeAutomationLog", (type, words) => said.push(`${type}: ${JSON.stringify(words)}`));
  const remote = (directory) => `vscode-remote://127.0.0.1:${desk.port}${directory}`;
  const payload = [
    ["extensionDevelopmentPath", remote(setUp.extension)],
    ["extensionTestsPath", remote(path.join(HERE, "host", "index.cjs"))],
  ];
  await desk.open(lab.root, `&payload=${encodeURIComponent(JSON.stringify(payload))}`);
  await until("the tests have run", () => code !== undefined, 150_000).catch((error) => {
    throw new Error(`${error.message}\n${said.join("\n")}`);
  });
  const told = existsSync(report) ? readFileSync(report, "utf8") : said.join("\n");
  for (const test of told.split(/^(?=(?:not )?ok )/m)) {
    await step(test.split("\n")[0].replace(/^(not )?ok /, ""), () => assert.ok(test.startsWith("ok "), test));
  }
  assert.equal(code, 0);
}
