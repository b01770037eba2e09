// A person's first hour: an untrusted folder, trust, a run that is cancelled and goes on, evidence, a proposal that is validated,
// looked at and applied by the quick-fix menu, and undone.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { Lab, PROMPT, PROMPT_FILE, REMEDY } from "./lab.mjs";
import { Workbench, until } from "./workbench.mjs";

/** Longer than a run of this lab takes on a machine with other work. */
const A_RUN = 120_000;

/** What the model's key looks like. */
const KEY = "sk-test-4f1c0a9e7b3d2856";

/** The first hour, told step by step to `step(name, work)`. */
export async function ui(setUp, step) {
  const lab = await new Lab(setUp.binary, 12, { key: "MODEL_API_KEY" }).open();
  const desk = new Workbench({ ...setUp, lab });
  const lens = (text, timeout) => desk.sees(".codelens-decoration a, .codelens-decoration span", text, timeout);
  // What the editor remembers of lenses is shown before they come, and cannot be clicked; and one that moves under the mouse is missed.
  const press = async (text, opens, timeout) => {
    const link = await desk.sees(".codelens-decoration a", text, timeout);
    const isOpen = () => desk.sees(opens, undefined, 8_000).then(() => true, () => false);
    for (let presses = 0; presses < 3; presses += 1) {
      await link.click();
      if (await isOpen()) {
        return;
      }
    }
    throw new Error(`nothing came of ${text}`);
  };
  const problem = (text) => desk.sees(".markers-panel .monaco-list-row", text);
  try {
    await desk.start();

    await step("an untrusted folder is checked, and nothing of it runs", async () => {
      await desk.open();
      await desk.answers("No, I don't trust", "trust the authors");
      await desk.file("harness.toml");
      await lens("Checks only: workspace not trusted");
      await until("the status", async () => (await desk.status()) === "harness: checks only");
      await desk.shot("restricted");
      await press("Trust…", ".notification-toast");
      await desk.sees(".notification-toast", "Restricted Mode");
      await desk.shot("restricted-refused");
      await desk.page.getByRole("button", { name: "Manage Workspace Trust" }).click();
      await desk.page.getByRole("button", { name: "Trust", exact: true }).first().click();
      await desk.page.getByText("You trust this folder").waitFor();
      await desk.command("View: Close Editor");
      assert.equal(lab.hasStore, false, "a store was made");
    });

    await step("trust is about a list, which can be reviewed", async () => {
      await desk.file("harness.toml");
      await press("Trust…", ".monaco-dialog-box");
      await desk.shot("trust");
      const asked = await desk.answers("Review", "Trust what decides what is executed here?");
      assert.match(asked, /harness\.toml/);
      assert.match(asked, /12 tasks/);
      await until("the page about trust", async () => (await desk.reads()).includes("What decides what is executed"));
      await desk.shot("trust-page");
      await desk.page.getByRole("button", { name: "Continue…" }).click();
      await desk.answers("Trust", "Trust what decides what is executed here?");
      await desk.file("harness.toml");
      await lens("Not measured");
      await until("the status", async () => (await desk.status()) === "harness: not measured");
      await desk.command("Self-Harness: Focus on Harness View");
      await desk.sees(".welcome-view-content", "Not measured yet");
      await desk.shot("not-measured");
    });

    await step("the key is asked for, and is the server's alone", async () => {
      await press("Set model key…", ".quick-input-list .monaco-list-row");
      await desk.sees(".quick-input-list .monaco-list-row", "Use variable MODEL_API_KEY");
      await desk.shot("key");
      await desk.types("Store", "Store in Keychain");
      await desk.sees(".quick-input-widget", "The key for MODEL_API_KEY");
      const input = desk.page.locator(".quick-input-widget .quick-input-box input");
      assert.equal(await input.getAttribute("type"), "password");
      await input.fill(KEY);
      await desk.page.keyboard.press("Enter");
      await lens("Evaluate 12 tasks ×2");
    });

    await step("a run asks first, shows its progress, is cancelled and goes on", async () => {
      await press("Evaluate 12 tasks ×2", ".monaco-dialog-box");
      await desk.sees(".monaco-dialog-box", "Start evaluate for writer?");
      await desk.shot("consent");
      const asked = await desk.answers("Start", "Start evaluate for writer?");
      assert.match(asked, /key from MODEL_API_KEY, which this machine has not sent there before/);
      for (const line of ["Runs", "Executes", "Sends", "Model", "Costs", "Takes", "Writes"]) {
        assert.match(asked, new RegExp(`^• ${line}: `, "m"));
      }
      await until("progress in the status bar", async () => /^harness [1-9]\d*\/\d+/.test(await desk.status()), A_RUN);
      await lens(/\d+\/\d+ trials/);
      await desk.sees(".monaco-list-row", "r-0001 evaluate");
      await desk.shot("running");
      await desk.page.locator('.title-actions a[aria-label^="Cancel Run"]').click();
      await desk.sees(".monaco-list-row", "evaluate cancelled at", A_RUN);
      await desk.shot("cancelled");
      await desk.command("Self-Harness: Resume Run");
      await desk.answers("Start", "evaluate");
      await desk.sees(".monaco-list-row", "evaluate finished", A_RUN);
      await lens(/^held-in [\d.]+\/6 · held-out [\d.]+\/6/);
      await desk.shot("measured");
    });

    await step("a weakness is a hint at its line, with its evidence", async () => {
      await desk.file(PROMPT_FILE);
      await desk.sees(".view-line", /C-[0-9a-f]{4}\s·\s\d\sof\s\d\sfail/);
      await lens("1 weakness");
      await desk.page.keyboard.press("Control+Shift+m");
      await problem(/failing tasks.*\(C-[0-9a-f]{4}\)/);
      await desk.shot("weakness");
      await desk.page.keyboard.press("Control+j");
      await desk.line(3);
      await desk.fix(/^Show evidence for C-/);
      await until("the evidence", async () => /C-[0-9a-f]{4}/.test(await desk.reads()));
      await desk.shot("evidence");
    });

    await step("a trace opens from the evidence, in the same tab, and there is a way back", async () => {
      const link = async (text) => {
        const frames = desk.page.frames().map((frame) => frame.locator("a", { hasText: text }).first());
        const seen = await Promise.all(frames.map((frame) => frame.isVisible()));
        return frames[seen.indexOf(true)];
      };
      const tabs = () => desk.page.locator(".tabs-container .tab").count();
      const before = await tabs();
      await (await until("the link to a trace", () => link(/^trace$/))).click();
      await until("the trace", async () => /echo \d+ > answer.txt/.test(await desk.reads()));
      assert.equal(await tabs(), before);
      await desk.shot("trace");
      await (await until("the way back", () => link(/^← /))).click();
      await until("the evidence", async () => (await desk.reads()).includes("What was seen"));
    });

    await step("held-in tasks are tests, and the end of a run is told", async () => {
      await desk.command("Testing: Focus on Test Explorer View");
      const row = (text) => desk.sees(".test-explorer .monaco-list-row", text);
      await row("held-out (locked)");
      await (await row(/^held-in/)).click();
      await desk.page.keyboard.press("ArrowRight");
      await row("t-00");
      assert.equal(await desk.page.locator(".test-explorer .monaco-list-row", { hasText: "t-01" }).count(), 0);
      await desk.command("Test: Run All Tests");
      await desk.answers("Start", "Start evaluate for writer?");
      await desk.sees(".notification-toast", /Evaluate finished: held-in/, A_RUN);
      await desk.sees('.test-explorer .monaco-list-row[aria-label*="Failed"]', "t-00");
      await desk.shot("tests");
      await desk.page.getByRole("button", { name: "Show", exact: true }).click();
      await until("the report", async () => (await desk.reads()).includes("r-0002"));
      await desk.shot("report");
      await desk.command("Self-Harness: Focus on Harness View");
    });

    // The second half in the other theme.
    await desk.command("Preferences: Toggle between Light/Dark Themes");

    await step("proposals are made and validated", async () => {
      await desk.file("harness.toml");
      await press(/^Propose for \d weakness(es)? \(free/, ".monaco-dialog-box");
      await desk.answers("Start", "propose");
      await press(/^Validate \d proposals? \(free/, ".monaco-dialog-box", A_RUN);
      await desk.answers("Start", "validate");
      await lens(/^Review 1 accepted proposal/, A_RUN);
      await desk.sees(".monaco-list-row", REMEDY);
      await desk.shot("accepted");
    });

    const score = async () => (await lens(/^held-in/)).innerText();
    let before;
    await step("a proposal is compared side by side", async () => {
      before = await score();
      await press("Review 1 accepted proposal", ".monaco-diff-editor");
      await desk.sees(".diff-editor, .monaco-diff-editor");
      await desk.sees(".monaco-diff-editor .editor.modified .view-line", REMEDY);
      await desk.shot("preview");
      await desk.command("View: Close Editor");
    });

    await step("it is applied by the quick-fix menu, saved, and known by its text", async () => {
      const proposal = lab.accepted();
      await desk.file(PROMPT_FILE);
      await desk.line(3);
      await desk.shot("quick-fix", () => desk.menu());
      await desk.fix(/^Apply P\d+: .*held-in .*held-out .*\(model-written\)$/);
      await desk.sees(".view-line", REMEDY);
      await desk.sees(".tab.active.dirty", "system.md");
      assert.equal(lab.read(PROMPT_FILE), PROMPT, "it was saved by itself");
      await desk.page.keyboard.press("Control+s");
      await until("the file on disk is the proposal's", () => lab.read(PROMPT_FILE) === proposal);
      await desk.file("harness.toml");
      await until("the score line is another", async () => (await score()) !== before);
      const after = await score();
      assert.match(after, /^held-in [\d.–]+\/6( · bounds only)? · held-out [\d.–]+\/6/);
      await until("the status says so", async () => (await desk.status()).startsWith("held-in"));
      await desk.shot("applied");
    });

    await step("undo restores the text and its scores, without a run", async () => {
      await desk.file(PROMPT_FILE);
      await desk.page.keyboard.press("Control+z");
      await desk.page.keyboard.press("Control+s");
      await until("the file is as it was", () => lab.read(PROMPT_FILE) === PROMPT);
      await desk.file("harness.toml");
      await until("the score line is as it was", async () => (await score()) === before);
      await desk.shot("undone");
    });

    await step("in Restricted Mode nothing runs and nothing is applied, though the harness was trusted", async () => {
      // Another editor of the same person: what they have agreed to is known to the server, and the window is not trusted.
      const other = new Workbench({ ...setUp, lab, first: desk.shots });
      try {
        await other.start();
        await other.open();
        await other.answers("No, I don't trust", "trust the authors");
        await until("the status", async () => (await other.status()) === "harness: checks only");
        await other.file(PROMPT_FILE);
        await other.sees(".view-line", /C-[0-9a-f]{4}/);
        await other.line(3);
        await other.menu();
        const titles = await other.page.locator(".action-widget .monaco-list-row.action").allInnerTexts();
        await other.shot("restricted-fixes");
        await other.page.keyboard.press("Escape");
        assert.ok(titles.some((title) => title.startsWith("Show evidence for P")), titles.join());
        assert.ok(!titles.some((title) => title.startsWith("Apply P")), titles.join());
        for (const command of ["Apply Proposal", "Evaluate", "Doctor"]) {
          await other.command("Notifications: Clear All Notifications");
          await other.command(`Self-Harness: ${command}`);
          await other.sees(".notification-toast", "Restricted Mode");
        }
        assert.equal(lab.read(PROMPT_FILE), PROMPT);
      } catch (error) {
        await other.shot("failed");
        throw error;
      } finally {
        await other.close();
      }
    });

    await step("the key is in no file of project, state or editor", () => {
      const found = spawnSync("grep", ["-rlF", KEY, lab.directory], { encoding: "utf8" });
      assert.deepEqual([found.status, found.stdout], [1, ""]);
    });
  } catch (error) {
    await desk.shot("failed").catch(() => undefined);
    writeFileSync(path.join(setUp.pictures, "worker.log"), lab.workerLog);
    throw error;
  } finally {
    await desk.close();
    lab.close();
  }
}
