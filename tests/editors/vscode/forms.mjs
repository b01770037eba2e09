// Every form in which something is shown, in VS Code with the extension: the same texts as in the server's own snapshot, which a server
// says here one after the other (`tests/editors/forms.py`). What an extension can ask the editor for is asked; the rest is read on screen.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { inHost } from "./host.mjs";
import { Lab } from "./lab.mjs";
import { Workbench, until } from "./workbench.mjs";

const FORMS = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "forms.py");

/** Shows them. */
export async function forms(setUp, step) {
  const lab = new Lab(setUp.binary, 0);
  execFileSync("python3", [FORMS, lab.root]);
  const known = JSON.parse(readFileSync(path.join(lab.root, "forms.json"), "utf8"));
  const server = path.join(lab.directory, "forms");
  writeFileSync(server, `#!/bin/sh\nexec python3 ${FORMS} "$@"\n`);
  chmodSync(server, 0o755);
  const options = {
    ...setUp,
    lab,
    settings: { "security.workspace.trust.enabled": false, "selfHarness.notifications": "always" },
    machine: { "selfHarness.server.path": server },
    first: 70,
    environment: { SELF_HARNESS_TEST_REPORT: path.join(lab.directory, "report.txt"), SELF_HARNESS_TESTS: "forms" },
  };
  const driven = new Workbench({ ...options, isDriven: true });
  try {
    await driven.start();
    await inHost(driven, setUp, step);
  } finally {
    await driven.close();
  }
  const desk = new Workbench(options);
  try {
    await desk.start();
    await desk.open();
    await desk.file("forms.md");
    await step("the status bar says the server's text, and what it says is no icon", async () => {
      const [progress] = known.progress;
      await desk.sees(".statusbar-item", progress);
      for (const text of known.status) {
        await desk.command("Self-Harness: Show Status");
        await desk.sees(".notification-toast", `Self-Harness: ${text}`);
        await until(`the status ${text}`, async () => (await desk.status()) === text);
        const item = desk.page.locator('.statusbar-item[id*="selfHarness.status"]').first();
        assert.ok((await item.locator("a").first().getAttribute("aria-label")).includes(text));
        await desk.command("Notifications: Clear All Notifications");
        // One that says the same as one that is just leaving would not be shown.
        await until("no message", async () => (await desk.page.locator(".notification-toast").count()) === 0);
      }
      await desk.shot("forms");
    });

    await step("what cannot be done now is listed, and cannot be chosen", async () => {
      // Only a menu that is asked for by kind has it, and no more of it than fits on the screen is there.
      await desk.file("forms.md");
      await desk.line(1);
      await desk.command("Refactor...");
      await desk.sees(".action-widget .monaco-list-row", "Apply P0");
      const ours = desk.page.locator(".action-widget .monaco-list-row.action", { hasText: /^Apply P\d+$/ });
      const all = await ours.count();
      assert.ok(5 < all, `${all} are listed`);
      assert.equal(await desk.page.locator(".action-widget .monaco-list-row.option-disabled", { hasText: /^Apply P\d+$/ }).count(), all);
      await desk.shot("disabled");
      await desk.page.keyboard.press("Escape");
    });

    await step("the end of a run is told in the server's words", async () => {
      for (const sentence of known.end) {
        await desk.command("Self-Harness: Doctor");
        await desk.sees(".notification-toast", sentence.charAt(0).toUpperCase() + sentence.slice(1));
        await desk.command("Notifications: Clear All Notifications");
      }
    });

    await step("decisions stand beside their proposals", async () => {
      await desk.command("Self-Harness: Focus on Harness View");
      for (const decision of known.decision) {
        await desk.sees(".pane-body .monaco-list-row", decision);
      }
      await desk.command("Self-Harness: Preview Proposal");
      const input = desk.page.locator(".quick-input-widget .quick-input-box input");
      await input.waitFor();
      for (const decision of known.decision) {
        await input.fill(decision);
        await desk.sees(".quick-input-list .monaco-list-row", decision);
      }
      await desk.page.keyboard.press("Escape");
    });
  } catch (error) {
    await desk.shot("failed").catch(() => undefined);
    throw error;
  } finally {
    await desk.close();
    lab.close();
  }
}
