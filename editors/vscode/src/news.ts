// Tells how a run ended, once, unless somebody looks at a view of ours anyway.

import * as vscode from "vscode";
import type { Client } from "./client";
import type { RunState } from "./protocol";

/** Ends that are told. Who cancels knows that it was cancelled. */
const ENDS = new Set(["result", "empty", "undecided", "failed"]);

/** The user has had enough of these messages. */
const QUIET = "selfHarness.quiet";

/** Tells how runs end. */
export class News {
  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly isViewVisible: () => boolean,
  ) {}

  /** A server has begun to talk. */
  listen(client: Client): void {
    client.hear("selfHarness/runState", (run: RunState) => {
      if (ENDS.has(run.state) && this.isWanted()) {
        void this.tell(run);
      }
    });
  }

  private isWanted(): boolean {
    const wish = vscode.workspace.getConfiguration("selfHarness").get<string>("notifications", "whenHidden");
    if (wish === "always") {
      return true;
    }
    return wish !== "off" && !this.context.globalState.get<boolean>(QUIET, false) && !this.isViewVisible();
  }

  private async tell({ root, runId, sentence, state }: RunState): Promise<void> {
    const show = state === "failed" ? vscode.window.showErrorMessage : vscode.window.showInformationMessage;
    const message = sentence.charAt(0).toUpperCase() + sentence.slice(1);
    const choice = await show(message, "Show", "Don't Show Again");
    if (choice === "Show") {
      await vscode.commands.executeCommand("selfHarness.report", { root, run: runId });
    } else if (choice) {
      // A setting is the user's to edit; `always` shows them again.
      await this.context.globalState.update(QUIET, true);
    }
  }
}
