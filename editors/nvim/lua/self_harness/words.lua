-- The words of `:SelfHarness`: what each is about, and what may follow it. Does nothing.

local M = {}

---@class self_harness.Word
---@field word string
---@field about string what it does, for the menu and for people who complete
---@field takes? 'tasks'|'proposals'|'proposal'|'run'|'weakness'|'trial'|'file'|'rule'|'revoke'|'directory' what may follow
---@field executes? true it starts something of the project: trust comes first

---@type self_harness.Word[]
M.ALL = {
  { word = 'evaluate', about = 'Evaluate all tasks, or those that are named', takes = 'tasks', executes = true },
  { word = 'smoke', about = 'Try 3 tasks once', executes = true },
  { word = 'mine', about = 'Show what failures have in common' },
  { word = 'propose', about = 'Propose edits for the weaknesses', executes = true },
  { word = 'validate', about = 'Validate proposals', takes = 'proposals', executes = true },
  { word = 'improve', about = 'Improve, round after round', executes = true },
  { word = 'seal', about = 'Read the sealed tasks, once, in a terminal' },
  { word = 'cancel', about = 'Cancel the run', takes = 'run' },
  { word = 'resume', about = 'Resume a run', takes = 'run', executes = true },
  { word = 'retry', about = 'Retry void trials of a run', takes = 'run', executes = true },
  { word = 'discard', about = 'Discard a run', takes = 'run' },
  { word = 'preview', about = 'Preview a proposal side by side', takes = 'proposal' },
  { word = 'apply', about = 'Apply an accepted proposal', takes = 'proposal' },
  { word = 'dismiss', about = 'Dismiss a proposal', takes = 'proposal' },
  { word = 'restore', about = 'Restore a dismissed proposal', takes = 'proposal' },
  { word = 'weaknesses', about = 'List the weaknesses, or show one', takes = 'weakness' },
  { word = 'trace', about = 'Show what the agent did in a trial', takes = 'trial' },
  { word = 'report', about = 'Show the report of a run', takes = 'run' },
  { word = 'lineage', about = 'Show what was accepted, step by step' },
  { word = 'rendered', about = 'Show a prompt as the model gets it', takes = 'file' },
  { word = 'rule', about = 'Explain the rule of a problem', takes = 'rule' },
  { word = 'fix', about = 'Fix all that has one possible result in this file' },
  { word = 'doctor', about = 'Try whether trials can run on this machine' },
  { word = 'trust', about = 'Trust this folder, or revoke that', takes = 'revoke' },
  { word = 'key', about = 'Set the key of the model' },
  { word = 'budget', about = 'Open the user configuration, with limits and keys' },
  { word = 'init', about = 'Create a harness, also around an agent that is there', takes = 'directory' },
  { word = 'demo', about = 'Show everything at work, in a terminal' },
  { word = 'import', about = 'Import results of Harbor, mini-swe-agent or SWE-agent as evidence', takes = 'directory' },
  { word = 'status', about = 'Say how things stand' },
  { word = 'restart', about = 'Start the server again' },
  { word = 'log', about = 'Show the log of the server' },
  { word = 'menu', about = 'Choose from all of this' },
}

--- The commands of lenses, hints and actions that do not go to the server as they come: some belong to the client, and before those
--- that execute something a person is asked about trust.
M.INTERCEPTED = { 'menu', 'trust', 'key', 'preview', 'evaluateTask' }

---@type table<string, self_harness.Word>
local by_word = {}
for _, word in ipairs(M.ALL) do
  by_word[word.word] = word
  if word.executes then
    table.insert(M.INTERCEPTED, word.word)
  end
end

---@param word string
---@return self_harness.Word?
function M.find(word)
  return by_word[word]
end

return M
