// The extension: brings its parts together. It starts a server when a harness is in the window, and nothing else.

import * as vscode from "vscode";
import { Commands, type Own, down } from "./commands";
import { complete } from "./completing";
import { consent } from "./dialogs";
import { Keys } from "./keys";
import { setKey } from "./keying";
import { create, demo, importResults, openConfiguration, seal } from "./line";
import { menu } from "./menu";
import { News } from "./news";
import { Pages } from "./pages";
import type { Argument, ConsentQuestion } from "./protocol";
import { Roots, manifest } from "./roots";
import { Server } from "./server";
import { Status } from "./status";
import { Testing } from "./testing";
import { Tree } from "./tree";
import { trust } from "./trusting";

let server: Server | undefined;

/** The editor has a harness, or the user has asked for something. */
export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const log = vscode.window.createOutputChannel("Self-Harness");
  const roots = new Roots();
  const keys = new Keys(context);
  const client = () => server?.client;
  const pages = new Pages(client);
  const tree = new Tree(client, roots);
  const status = new Status(roots);
  const news = new News(context, () => tree.isVisible);
  let testing: Testing | undefined;

  const showTrust = async (root: string): Promise<void> => {
    const page = await pages.trust(root);
    // Of a store from elsewhere no page is shown; what is executed stands in the manifest anyway.
    await (page ? pages.open(page) : vscode.window.showTextDocument(manifest(vscode.Uri.parse(root))));
  };
  const rootOf = async (argument: Argument): Promise<vscode.Uri | undefined> =>
    argument.root ? vscode.Uri.parse(argument.root) : roots.pick();
  const own: Record<Own, (argument: Argument) => Promise<unknown>> = {
    async preview(argument) {
      const root = await rootOf(argument);
      const running = client();
      if (!running || !root) {
        return down(roots);
      }
      const about = await complete(running, tree, "preview", { ...argument, root: root.toString() });
      for (const proposal of about?.proposals ?? []) {
        const name = typeof proposal === "number" ? `P${proposal}` : proposal;
        await pages.compare(root.toString(), name);
      }
    },
    fixAll: async () =>
      vscode.commands.executeCommand("editor.action.codeAction", { kind: "source.fixAll.selfHarness", apply: "first" }),
    async seal(argument) {
      const root = await rootOf(argument);
      return root ? seal(context, root) : down(roots);
    },
    async trust(argument) {
      const root = await rootOf(argument);
      const running = client();
      return running && root ? trust(running, root.toString(), () => showTrust(root.toString())) : down(roots);
    },
    async key(argument) {
      const root = await rootOf(argument);
      return root ? setKey(keys, root, () => launch()) : down(roots);
    },
    budget: openConfiguration,
    init: () => create(context),
    demo: () => demo(context),
    async import(argument) {
      const root = await rootOf(argument);
      return root ? importResults(context, root) : down(roots);
    },
    async status() {
      const state = server?.state;
      const answer = await client()?.execute("status", {});
      const text = answer?.text ?? (state?.is === "stopped" ? state.why : "the server does not run");
      void vscode.window.showInformationMessage(`Self-Harness: ${text}`);
    },
    restart: () => launch(),
    log: async () => log.show(),
    async menu(argument) {
      const state = server?.state;
      const why = state?.is === "stopped" ? state.why : "The server does not run";
      return menu(client(), await rootOf(argument), why, (word, about) => commands.perform(word, about));
    },
  };
  const commands = new Commands({
    client,
    roots,
    pages,
    own,
    async complete(word, argument) {
      const running = client();
      return running && complete(running, tree, word, argument);
    },
  });

  const hooks = {
    perform: (word: string, argument: Argument | undefined) => commands.perform(word, argument),
    open: (uri: vscode.Uri) => pages.open(uri),
  };
  const keeper = new Server(context, roots, keys, log, hooks, (running) => {
    pages.listen(running);
    tree.listen(running);
    status.listen(running);
    news.listen(running);
    testing?.listen(running);
    running.onRequest("selfHarness/consent", async (question: ConsentQuestion) => ({
      button: (await consent(question, showTrust)) ?? "cancel",
    }));
  });
  server = keeper;

  /** Starts the server if there is something for it to do. */
  const launch = (): Promise<void> => (0 < roots.all.length ? keeper.restart() : keeper.stop());
  const setUpTesting = (): void => {
    const isWanted = vscode.workspace.getConfiguration("selfHarness").get<boolean>("testing.enable", true);
    if (isWanted && 0 < roots.all.length) {
      if (!testing) {
        testing = new Testing(client, roots);
        const running = client();
        if (running) {
          testing.listen(running);
        }
      }
      void testing.discover();
    } else {
      testing?.dispose();
      testing = undefined;
    }
  };

  context.subscriptions.push(log, roots, pages, tree, status, commands, keeper, {
    dispose: () => testing?.dispose(),
  });
  context.subscriptions.push(
    keeper.onDidChange((state) => {
      status.become(state);
      tree.refresh();
      if (state.is === "running") {
        pages.refresh();
        void testing?.discover();
      }
    }),
    roots.onDidChange(() => {
      setUpTesting();
      status.show();
      void launch();
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => {
      status.show();
      tree.refresh();
    }),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration("selfHarness.server.path")) {
        void launch();
      }
      if (change.affectsConfiguration("selfHarness.testing.enable")) {
        setUpTesting();
      }
    }),
  );
  await roots.look();
}

/** The editor closes: the server ends, and what it has started goes on. */
export function deactivate(): Promise<void> | undefined {
  return server?.stop();
}
