// How things are: the item in the status bar, the same beside the language of a document, and the context keys of menus.

import * as vscode from "vscode";
import type { Client } from "./client";
import type { RunState, ServerStatus, TrustState } from "./protocol";
import type { Roots } from "./roots";
import type { ServerState } from "./server";

/** States of a run that is not over and works. */
const ACTIVE = new Set(["queued", "running", "stopping"]);

/** Shows how things are. */
export class Status implements vscode.Disposable {
  private readonly bar = vscode.window.createStatusBarItem("selfHarness.status", vscode.StatusBarAlignment.Left, 1);
  private readonly item = vscode.languages.createLanguageStatusItem("selfHarness.status", { scheme: "file" });
  private readonly trust = new Map<string, TrustState["state"]>();
  private readonly active = new Set<string>();
  private server: ServerState = { is: "off" };
  private told: ServerStatus | undefined;

  constructor(private readonly roots: Roots) {
    this.bar.name = "Self-Harness";
    this.item.name = "Self-Harness";
    this.show();
  }

  /** A server has begun to talk. */
  listen(client: Client): void {
    client.hear("experimental/serverStatus", (told: ServerStatus) => {
      this.told = told;
      this.show();
    });
    client.hear("selfHarness/trustState", ({ root, state }: TrustState) => {
      this.trust.set(vscode.Uri.parse(root).toString(), state);
      this.show();
    });
    client.hear("selfHarness/runState", ({ root, runId, state }: RunState) => {
      const key = `${root} ${runId}`;
      if (ACTIVE.has(state)) {
        this.active.add(key);
      } else {
        this.active.delete(key);
      }
      this.show();
    });
  }

  /** The server does something else now. */
  become(server: ServerState): void {
    this.server = server;
    if (server.is !== "running") {
      this.told = undefined;
      this.trust.clear();
      this.active.clear();
    }
    this.show();
  }

  /** Shows what is known now. */
  show(): void {
    const { text, detail, severity, isBusy } = this.now();
    this.bar.text = `${isBusy ? "$(sync~spin) " : severity === 0 ? "" : "$(warning) "}${text}`;
    this.bar.tooltip = detail;
    this.bar.accessibilityInformation = { label: text };
    this.bar.command = "selfHarness.menu";
    this.bar.backgroundColor =
      severity === 2 ? new vscode.ThemeColor("statusBarItem.errorBackground") : undefined;
    this.item.text = text;
    this.item.busy = isBusy;
    this.item.severity = [
      vscode.LanguageStatusSeverity.Information,
      vscode.LanguageStatusSeverity.Warning,
      vscode.LanguageStatusSeverity.Error,
    ][severity] as vscode.LanguageStatusSeverity;
    this.item.command = { command: "selfHarness.menu", title: "Menu" };
    const hasHarness = 0 < this.roots.all.length;
    if (hasHarness) {
      this.bar.show();
      this.item.selector = this.roots.all.map((root) => ({ pattern: new vscode.RelativePattern(root, "**") }));
    } else {
      this.bar.hide();
      this.item.selector = { scheme: "self-harness-none" };
    }
    const set = (key: string, value: unknown): void =>
      void vscode.commands.executeCommand("setContext", `selfHarness.${key}`, value);
    set("hasHarness", hasHarness);
    set("trusted", vscode.workspace.isTrusted && [...this.trust.values()].includes("trusted"));
    set("running", 0 < this.active.size);
    set("old", /\bold$/.test(this.told?.message ?? ""));
    set("server", this.server.is);
  }

  dispose(): void {
    this.bar.dispose();
    this.item.dispose();
  }

  private now(): { text: string; detail: string; severity: 0 | 1 | 2; isBusy: boolean } {
    switch (this.server.is) {
      case "stopped":
        return { text: "harness: server stopped", detail: this.server.why, severity: 2, isBusy: false };
      case "off":
      case "starting":
        return { text: "harness: starting", detail: "The server is being started.", severity: 0, isBusy: true };
      case "running": {
        if (!vscode.workspace.isTrusted) {
          const detail = "This window is in Restricted Mode: the harness is checked, and nothing of it runs.";
          return { text: "harness: checks only", detail, severity: 0, isBusy: false };
        }
        const { health, message, quiescent } = this.told ?? { health: "ok", message: "harness", quiescent: true };
        const severity = health === "ok" ? 0 : health === "warning" ? 1 : 2;
        return { text: message, detail: "Self-Harness: what can be done next", severity, isBusy: !quiescent };
      }
    }
  }
}
