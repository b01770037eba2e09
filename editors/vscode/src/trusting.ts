// `Trust…`: a folder is trusted by the list of what decides what is executed, and trust can be taken back.

import * as vscode from "vscode";
import type { Client } from "./client";
import type { TrustState } from "./protocol";

/** Asks for trust; of a folder that is trusted already, whether it shall stay so. */
export async function trust(client: Client, root: string, review: () => Promise<void>): Promise<void> {
  const state = await client.sendRequest<TrustState>("selfHarness/trust", { root, action: "state" });
  if (state.state !== "trusted") {
    await client.sendRequest("selfHarness/trust", { root, action: "ask" });
    return;
  }
  const show = "Show What Is Executed";
  const revoke = "Revoke Trust";
  const choice = await vscode.window.showInformationMessage("Self-Harness: this harness is trusted as it is.", show, revoke);
  if (choice === show) {
    await review();
  } else if (choice === revoke) {
    await client.sendRequest("selfHarness/trust", { root, action: "revoke" });
  }
}
