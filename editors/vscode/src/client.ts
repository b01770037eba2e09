// The client of the language server: what it announces, and what it does otherwise than the library.

import type { ChildProcess } from "node:child_process";
import * as vscode from "vscode";
import {
  type ClientCapabilities,
  CloseAction,
  type DocumentFilter,
  ErrorAction,
  ExecuteCommandRequest,
  LanguageClient,
  type LanguageClientOptions,
  ResponseError,
  RevealOutputChannelOn,
  type StaticFeature,
} from "vscode-languageclient/node";
import { type Answer, type Argument, PREFIX, SCHEME } from "./protocol";
import { outermost } from "./roots";

/** The kind of the actions that apply a proposal. */
const PROPOSAL = "quickfix.selfHarness.proposal";

/** What the client hands to others. */
export interface Hooks {
  /** A lens, hint or action starts a command of the server. */
  perform(word: string, argument: Argument | undefined): Promise<unknown>;
  /** The server wants one of its pages shown. */
  open(uri: vscode.Uri): Promise<void>;
  /** The server is gone without having been asked to go. */
  closed(): void;
}

/** What only this extension can do, of which the server wants to know. */
const announcement: StaticFeature = {
  fillClientCapabilities(capabilities: ClientCapabilities) {
    capabilities.experimental = {
      serverStatusNotification: true,
      testExplorer: true,
      selfHarness: { consent: true, content: true },
    };
  },
  initialize() {},
  getState: () => ({ kind: "static" }),
  clear() {},
};

/** The connection to a server. */
export class Client extends LanguageClient {
  private readonly listeners = new Map<string, ((params: unknown) => void)[]>();

  constructor(roots: readonly vscode.Uri[], spawn: () => Promise<ChildProcess>, log: vscode.OutputChannel, hooks: Hooks) {
    super("selfHarness", "Self-Harness", spawn, options(roots, log, hooks));
    this.registerFeature(announcement);
  }

  /** Hears what the server tells. The library has one listener for each method, and here are several. */
  hear<T>(method: string, listener: (params: T) => void): void {
    let all = this.listeners.get(method);
    if (!all) {
      all = [];
      this.listeners.set(method, all);
      const told = all;
      this.onNotification(method, (params: unknown) => told.forEach((each) => each(params)));
    }
    all.push(listener as (params: unknown) => void);
  }

  /** Lets the server perform one of its commands. */
  execute(word: string, argument: Argument): Promise<Answer> {
    return this.sendRequest(ExecuteCommandRequest.type, { command: PREFIX + word, arguments: [argument] });
  }

  /** Comes back when the server has answered anything at all. */
  async isThere(): Promise<void> {
    try {
      await this.sendRequest("selfHarness/isThere");
    } catch (error) {
      // It knows no such request: that is an answer.
      if (!(error instanceof ResponseError)) {
        throw error;
      }
    }
  }

  /** The log has it; what the user should know is said by who asked. */
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
}

function options(roots: readonly vscode.Uri[], log: vscode.OutputChannel, hooks: Hooks): LanguageClientOptions {
  return {
    documentSelector: selector(roots),
    outputChannel: log,
    revealOutputChannelOn: RevealOutputChannelOn.Never,
    synchronize: { configurationSection: "selfHarness" },
    initializationFailedHandler: () => false,
    errorHandler: {
      error: () => ({ action: ErrorAction.Continue, handled: true }),
      closed: () => {
        hooks.closed();
        return { action: CloseAction.DoNotRestart, handled: true };
      },
    },
    middleware: {
      executeCommand: (command, args) => hooks.perform(command.slice(PREFIX.length), args[0] as Argument | undefined),
      window: {
        async showDocument(params, next) {
          const uri = vscode.Uri.parse(params.uri);
          if (uri.scheme !== SCHEME) {
            const shown = await next(params, new vscode.CancellationTokenSource().token);
            return shown instanceof ResponseError ? { success: false } : shown;
          }
          await hooks.open(uri);
          return { success: true };
        },
      },
      // Restricted Mode: what was validated may be looked at, not applied.
      async provideCodeActions(document, range, context, token, next) {
        const actions = await next(document, range, context, token);
        return vscode.workspace.isTrusted ? actions : actions?.filter((action) => !applies(action));
      },
      resolveCodeAction(action, token, next) {
        return !vscode.workspace.isTrusted && applies(action) ? action : next(action, token);
      },
    },
  };
}

function applies(action: vscode.Command | vscode.CodeAction): boolean {
  return "kind" in action && action.kind?.value === PROPOSAL && !action.command;
}

/** Files of any language below a harness. */
function selector(roots: readonly vscode.Uri[]): DocumentFilter[] {
  return outermost(roots).map((root) => ({ scheme: "file", pattern: `${escaped(root.fsPath)}/**` }));
}

/** A path as a pattern that means this path. */
function escaped(path: string): string {
  return path.replace(/[[{}?*]/g, "[$&]");
}
