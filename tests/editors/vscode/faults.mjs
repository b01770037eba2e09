// What is said when the server is missing, of another version, crashes or hangs, and that it is helped by what is said.

import assert from "node:assert/strict";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Lab } from "./lab.mjs";
import { Workbench, until } from "./workbench.mjs";

/** Longer than three restarts of a server that hangs. */
const GIVES_UP = 120_000;

/** A program that is started as the server, in the place of which others are put. */
class Stand {
  constructor(lab, binary) {
    this.binary = binary;
    this.path = path.join(lab.directory, "stand-in");
    this.log = path.join(lab.directory, "stand-in.log");
  }

  /** What it does when it is asked to serve. */
  serves(work, saysVersion = "echo self-harness 0.1.0") {
    const text = `#!/bin/sh
if [ "$1" = --version ]; then ${saysVersion}; exit; fi
echo $$ >> ${this.log}
${work}
`;
    writeFileSync(this.path, text);
    chmodSync(this.path, 0o755);
    writeFileSync(this.log, "");
  }

  /** It is the server. */
  isWell() {
    this.serves(`exec ${this.binary} "$@"`);
  }

  /** The processes that it was, in their order. */
  get starts() {
    return readFileSync(this.log, "utf8").split("\n").slice(0, -1).map(Number);
  }
}

/** Plays them, each in its turn in one window. */
export async function faults(setUp, step) {
  const lab = await new Lab(setUp.binary, 4).open();
  const stand = new Stand(lab, setUp.binary);
  const settings = { "security.workspace.trust.enabled": false };
  const desk = new Workbench({ ...setUp, lab, settings, machine: { "selfHarness.server.path": stand.path }, first: 50 });
  const says = async (text) => {
    const toast = await desk.sees(".notification-toast", text, GIVES_UP);
    await until("the status", async () => (await desk.status()).includes("harness: server stopped"));
    return toast.innerText();
  };
  const restart = async () => {
    await desk.command("Notifications: Clear All Notifications");
    await desk.command("Self-Harness: Restart Server");
  };
  try {
    await desk.start();

    await step("a server that is missing is named, with what to do", async () => {
      await desk.open();
      await desk.file("harness.toml");
      const said = await says("There is no server at");
      assert.ok(said.includes(stand.path) && said.includes("`selfHarness.server.path`"), said);
      await desk.command("Self-Harness: Focus on Harness View");
      await desk.sees(".welcome-view-content", "The server has stopped");
      await desk.shot("missing");
    });

    await step("log and restart work while the server is down", async () => {
      await desk.command("Self-Harness: Show Log");
      await desk.sees(".part.panel .view-line", /There\sis\sno\sserver/);
      stand.isWell();
      await restart();
      await desk.sees(".codelens-decoration", "Checks only");
      await until("the status", async () => (await desk.status()) === "harness: checks only");
    });

    await step("a server of another version is not used", async () => {
      stand.serves(`exec ${setUp.binary} "$@"`, "echo self-harness 9.8.7");
      await restart();
      const said = await says("is version 9.8.7, and this extension needs 0.1.0");
      assert.match(said, /`selfHarness\.server\.path`/);
      assert.equal(stand.starts.length, 0);
      await desk.shot("version");
    });

    await step("a program that is no server of ours is not used", async () => {
      stand.serves("exec cat", "echo something else");
      await restart();
      await says("does not tell its version: it is another program");
      // One that hangs as soon as it is asked.
      stand.serves("exec cat", "exec sleep 600");
      await restart();
      const said = await says("does not tell its version: it did not answer within 10 s");
      assert.match(said, /`selfHarness\.server\.path`/);
      assert.equal(stand.starts.length, 0);
    });

    await step("a server that crashes at start is started three times more", async () => {
      stand.serves("echo the disk is on fire >&2; exit 3");
      await restart();
      const said = await says("has stopped 4 times in a row");
      assert.match(said, /it ended with 3: the disk is on fire/);
      assert.equal(stand.starts.length, 4);
      await desk.shot("crash");
    });

    await step("a server that does not answer is ended, and said to hang", async () => {
      // It holds the line and answers nothing.
      stand.serves("exec sleep 600");
      await restart();
      const said = await says("it did not answer within");
      assert.match(said, /has stopped 4 times/);
      assert.equal(stand.starts.length, 4);
      await desk.shot("hang");
    });

    await step("a server that dies while it works comes back by itself", async () => {
      stand.isWell();
      await restart();
      // The status of the server before stays until the next one has been started.
      await until("a start", () => stand.starts.length === 1);
      await until("the status", async () => (await desk.status()) === "harness: checks only");
      process.kill(stand.starts[0], "SIGKILL");
      await until("another start", () => stand.starts.length === 2);
      await until("the status", async () => (await desk.status()) === "harness: checks only");
      // Those of the steps before leave by themselves, and nothing new is said.
      await until("no message", async () => (await desk.page.locator(".notification-toast").count()) === 0);
    });

    await step("a server that falls silent while it works is ended, and comes back by itself", async () => {
      stand.isWell();
      await restart();
      // The status of the server before stays until the next one has been started.
      await until("a start", () => stand.starts.length === 1);
      await until("the status", async () => (await desk.status()) === "harness: checks only");
      process.kill(stand.starts[0], "SIGSTOP");
      await until("another start", () => stand.starts.length === 2, GIVES_UP);
      await until("the status", async () => (await desk.status()) === "harness: checks only");
      await desk.command("Self-Harness: Show Log");
      await desk.sees(".part.panel .view-line", /the\sserver\shas\sstopped:\sit\sdid\snot\sanswer\swithin/);
      await desk.shot("silent");
    });
  } catch (error) {
    await desk.shot("failed").catch(() => undefined);
    throw error;
  } finally {
    await desk.close();
    lab.close();
  }
}
