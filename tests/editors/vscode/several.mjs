// Several harnesses in one window; trust that is taken back; and what the command line does for the editor: a harness that is created, the
// example, the sealed tasks.

import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { Lab, PROMPT_FILE } from "./lab.mjs";
import { Workbench, until } from "./workbench.mjs";

/** Longer than a demonstration takes to say something. */
const A_START = 60_000;

/** Plays them in one editor. */
export async function several(setUp, step) {
  const lab = await new Lab(setUp.binary, 6, { within: "one", sealed: 2 }).open();
  const two = lab.copy("two", "second");
  for (const root of [lab.root, two]) {
    lab.runIn(root, "evaluate", "--yes");
  }
  // The screen of a terminal is text then.
  const settings = { "terminal.integrated.gpuAcceleration": "off" };
  const desk = new Workbench({ ...setUp, lab, settings, first: 80 });
  const row = (text) => desk.sees(".monaco-list-row", text);
  const terminal = (text, timeout) => desk.sees(".terminal .xterm-rows", text, timeout);
  const clear = () => desk.command("Notifications: Clear All Notifications");
  const lens = (text, timeout) => desk.sees(".codelens-decoration a, .codelens-decoration span", text, timeout);
  try {
    await desk.start();

    await step("two harnesses in one window each have their evidence", async () => {
      await desk.open();
      await desk.answers("Yes, I trust", "trust the authors");
      await desk.file(`one/${PROMPT_FILE}`);
      await desk.sees(".view-line", /C-[0-9a-f]{4}\s·\s\d\sof\s\d\sfail/);
      await lens("1 weakness");
      await desk.command("View: Close Editor");
      await desk.file(`two/${PROMPT_FILE}`);
      await desk.sees(".view-line", /C-[0-9a-f]{4}\s·\s\d\sof\s\d\sfail/);
      await lens("1 weakness");
      await until("the status", async () => (await desk.status()).startsWith("held-in"));
      await desk.command("Self-Harness: Focus on Harness View");
      for (const name of ["one", "two"]) {
        await desk.sees(".monaco-list-row[aria-level='1']", new RegExp(`^project/${name}`));
      }
      const weaknesses = () => desk.page.locator(".monaco-list-row[aria-level='3']", { hasText: /C-[0-9a-f]{4}/ }).count();
      await until("a weakness of each", async () => (await weaknesses()) === 2);
      await desk.shot("two-harnesses");
    });

    await step("a command is about the harness of the file that is open", async () => {
      await desk.file(`two/${PROMPT_FILE}`);
      await desk.command("Self-Harness: Evaluate");
      await desk.answers("Cancel", "Start evaluate for second?");
      await desk.command("View: Close All Editors");
      await desk.command("Self-Harness: Evaluate");
      await desk.sees(".quick-input-widget input[placeholder='Which harness?']");
      await desk.types("one", "project/one");
      await desk.answers("Cancel", "Start evaluate for writer?");
      await desk.command("Testing: Focus on Test Explorer View");
      for (const name of ["one", "two"]) {
        await desk.sees(".test-explorer .monaco-list-row", new RegExp(`^project/${name}`));
      }
      await desk.shot("two-harnesses-tests");
    });

    await step("trust in a harness that is taken back: nothing starts before it is given again", async () => {
      await desk.file("two/harness.toml");
      await clear();
      await desk.command("Self-Harness: Trust…");
      await desk.sees(".notification-toast", "this harness is trusted as it is");
      await desk.page.getByRole("button", { name: "Revoke Trust" }).click();
      await lens("Checks only: workspace not trusted");
      await until("the status", async () => (await desk.status()) === "harness: checks only · 2 harnesses");
      await desk.shot("revoked");
      await desk.command("Self-Harness: Evaluate");
      const asked = await desk.answers("Cancel", "Start evaluate for second?");
      assert.match(asked, /^• Trusts: harness\.toml/m);
      assert.equal(lab.processes("worker").length, 0);
      // The other one is trusted as before.
      await desk.file("one/harness.toml");
      await lens(/^held-in/);
    });

    await step("what is sealed is read in a terminal, after a question", async () => {
      await desk.file("one/harness.toml");
      await desk.command("Self-Harness: Read Sealed Tasks…");
      await terminal(/seal/, A_START);
      // Nothing is better than what the lineage began with: there is nothing to read yet.
      await terminal(/apply what was accepted|\[y\/N\]/, A_START);
      await desk.shot("seal");
      await desk.command("Terminal: Kill the Active Terminal Instance");
    });

    await step("trust in the window that is taken back takes all starts with it", async () => {
      await desk.command("Workspaces: Manage Workspace Trust");
      await desk.shot("trusted-window");
      // Whatever is told lies over the list.
      await clear();
      // Trust came by an entry of the list, and goes with it.
      const entry = desk.page.locator(".trusted-uris-table .monaco-list-row", { hasText: lab.folder }).first();
      await entry.hover();
      await entry.locator(".action-label[class*='remove'], .action-label[aria-label*='Delete']").first().click();
      // The window is loaded anew, and asks.
      await desk.answers("No, I don't trust", "trust the authors");
      await until("the status", async () => (await desk.status()) === "harness: checks only", 60_000);
      await desk.sees(".statusbar-item", "Restricted Mode");
      await desk.file("one/harness.toml");
      for (const command of ["Evaluate", "Read Sealed Tasks…", "Trust…", "Open Example"]) {
        await clear();
        await desk.command(`Self-Harness: ${command}`);
        await desk.sees(".notification-toast", "Restricted Mode, where a harness is checked and nothing of it runs");
      }
      await desk.shot("restricted-again");
      assert.equal(lab.processes("worker").length, 0);
    });

    const empty = path.join(lab.directory, "empty");
    await step("a harness is created, and none is written over", async () => {
      mkdirSync(empty);
      await desk.open(empty);
      await desk.answers("Yes, I trust", "trust the authors");
      const create = async () => {
        await desk.command("Self-Harness: Create Harness…");
        await desk.sees(".quick-input-widget input[placeholder='What to start from']");
        await desk.shot("presets");
        await desk.types("minimal", "minimal");
      };
      await create();
      await desk.sees(".tab.active", "harness.toml");
      await lens("Checks only: workspace not trusted");
      assert.ok(existsSync(path.join(empty, "harness.toml")));
      await desk.shot("created");
      await create();
      await desk.sees(".notification-toast", /harness\.toml/);
      await clear();
    });

    await step("the example is written beside, and shown at work in a terminal", async () => {
      await desk.command("Self-Harness: Open Example");
      await desk.sees(".notification-toast", "the example runs in the terminal");
      await desk.sees(".notification-toast .monaco-button", "Open Folder");
      await terminal(/demo --directory/);
      await until("its folder", () => existsSync(path.join(empty, "self-harness-demo", "harness.toml")), A_START);
      await desk.shot("example");
      await desk.page.keyboard.press("Control+c");
      await desk.command("Terminal: Kill the Active Terminal Instance");
    });
  } catch (error) {
    await desk.shot("failed").catch(() => undefined);
    throw error;
  } finally {
    await desk.close();
    lab.close();
  }
}
