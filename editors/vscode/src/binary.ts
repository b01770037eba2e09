// Where the server is, and whether it is the one that this extension was made for.

import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import * as vscode from "vscode";

/** How long the server may take to say its version. */
const VERSION_TIMEOUT_MS = 10_000;

/** The server cannot be started; the message is for the user. */
export class ServerProblem extends Error {}

/** The program that is the server: the one that the user names, else the one in the package. */
export function path(context: vscode.ExtensionContext): string {
  const own = vscode.workspace.getConfiguration("selfHarness").get<string>("server.path", "");
  return own || context.asAbsolutePath("server/self-harness");
}

/** The server's path, once it is known to be there and of the version of this extension. */
export async function find(context: vscode.ExtensionContext): Promise<string> {
  const program = path(context);
  const remedy = isOwn()
    ? "Correct the setting `selfHarness.server.path`, or remove it to use the server in the package."
    : "Install the extension again, in its form for this platform, or name a server in `selfHarness.server.path`.";
  try {
    await access(program, constants.X_OK);
  } catch {
    throw new ServerProblem(`There is no server at ${program}. ${remedy}`);
  }
  const wanted = context.extension.packageJSON.version as string;
  const found = await version(program, remedy);
  if (found !== wanted) {
    throw new ServerProblem(
      `The server at ${program} is version ${found}, and this extension needs ${wanted}. ${remedy}`,
    );
  }
  return program;
}

function isOwn(): boolean {
  return vscode.workspace.getConfiguration("selfHarness").get<string>("server.path", "") !== "";
}

function version(program: string, remedy: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, ["--version"], { timeout: VERSION_TIMEOUT_MS, killSignal: "SIGKILL" }, (error, stdout) => {
      const found = /^self-harness (\S+)/.exec(stdout)?.[1];
      if (found) {
        resolve(found);
      } else {
        const why = error?.killed
          ? `it did not answer within ${VERSION_TIMEOUT_MS / 1000} s`
          : (error?.message.split("\n")[0] ?? "it is another program");
        reject(new ServerProblem(`The server at ${program} does not tell its version: ${why}. ${remedy}`));
      }
    });
  });
}
