// The editor is closed in the middle of a run, and opened again: nothing is lost, whether the worker goes on or dies too.

import assert from "node:assert/strict";
import { Lab, PROMPT, PROMPT_FILE } from "./lab.mjs";
import { Workbench, until } from "./workbench.mjs";

/** Longer than a run of this lab takes on a machine with other work. */
const A_RUN = 120_000;

/** A worker that is silent for 30 s is taken for dead. */
const A_LEASE = 60_000;

/** Closes and opens an editor. */
export async function closing(setUp, step) {
  const lab = await new Lab(setUp.binary, 8).open();
  const settings = { "security.workspace.trust.enabled": false };
  const desk = new Workbench({ ...setUp, lab, settings, first: 60 });
  const row = (text, timeout) => desk.sees(".monaco-list-row", text, timeout);
  const opens = async () => {
    await desk.start();
    await desk.open();
    await until("the status", async () => (await desk.status()) !== "");
    await desk.command("Self-Harness: Focus on Harness View");
    // An editor that loses the focus before it has its lenses asks for none.
    await desk.file("harness.toml");
  };
  // What was measured is not measured again, so each run is about another prompt.
  let runs = 0;
  const starts = async () => {
    runs += 1;
    lab.write(PROMPT_FILE, `${PROMPT}\nThis is text ${runs}.\n`);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await desk.command("Self-Harness: Evaluate");
    await desk.answers("Start", "Start evaluate for writer?");
    await until("progress in the status bar", async () => /^harness [1-9]\d*\/16/.test(await desk.status()), A_RUN);
  };
  const closes = async () => {
    await desk.close();
    await until("its server is gone", () => lab.processes("lsp").length === 0);
    const { state, trials } = lab.status();
    assert.notEqual(state, "result");
    assert.ok(trials.done < trials.total, JSON.stringify(trials));
    return trials.done;
  };
  const lens = (text, timeout) => desk.sees(".codelens-decoration a, .codelens-decoration span", text, timeout);
  try {
    await step("a run goes on when the editor is closed, and is seen when it is opened again", async () => {
      await opens();
      await starts();
      await closes();
      assert.equal(lab.processes("worker").length, 1, "the worker has gone with the editor");
      await opens();
      await row("r-0001 evaluate");
      await desk.shot("opened-again");
      await row("evaluate finished: held-in", A_RUN);
      await lens(/^held-in [\d.]+\/4 · held-out [\d.]+\/4/);
      const { trials } = lab.status();
      assert.deepEqual([trials.done, trials.total], [16, 16]);
    });

    await step("a run that ends while no editor is open is seen as finished", async () => {
      await starts();
      await closes();
      await until("the end of the run", () => lab.status().trials.done === 16, A_RUN);
      await until("the end of the worker", () => lab.processes("worker").length === 0);
      await opens();
      await row("r-0002 evaluate");
      await lens(/^held-in [\d.]+\/4 · held-out [\d.]+\/4/);
      assert.equal(lab.status().run, "r-0002");
      await desk.shot("ended-meanwhile");
    });

    await step("a run whose worker dies too is interrupted, and goes on where it was", async () => {
      await starts();
      for (const worker of lab.processes("worker")) {
        process.kill(worker, "SIGKILL");
      }
      const done = await closes();
      assert.ok(0 < done, "nothing was measured before");
      await opens();
      await row(/interrupted: \d+\/16/, A_LEASE);
      await lens(/^Interrupted at \d+\/16 trials/);
      await until("the status", async () => (await desk.status()).startsWith("harness interrupted at"));
      await desk.shot("interrupted");
      const before = lab.status();
      await desk.command("Self-Harness: Resume Run");
      await until("it works or asks", async () => {
        const dialog = desk.page.locator(".monaco-dialog-box");
        if (await dialog.count()) {
          await desk.answers("Start", "evaluate");
        }
        return lab.processes("worker").length === 1 || lab.status().trials.done === 16;
      });
      await until("the end of the run", () => lab.status().trials.done === 16, A_RUN);
      await lens(/^held-in [\d.]+\/4 · held-out [\d.]+\/4/);
      assert.equal(lab.status().run, "r-0003");
      // What was measured is not measured again; what ran when it died measured nothing.
      const paid = lab.status().spent.trials - before.spent.trials;
      assert.ok(paid <= 16 - done + before.trials.running, `${paid} after ${JSON.stringify(before.trials)}`);
      await desk.shot("resumed");
    });
  } catch (error) {
    await desk.shot("failed").catch(() => undefined);
    throw error;
  } finally {
    await desk.close();
    lab.close();
  }
}
