-- Completes `:SelfHarness`: its words, and what may follow each. Asks a server that is there, and waits for half a second at most.

local project = require('self_harness.project')
local server = require('self_harness.server')
local words = require('self_harness.words')

local M = {}

--- What a pattern finds in the ids of a level of the tree.
---@param root string
---@param parent string
---@param pattern string
---@return string[]
local function ids(root, parent, pattern)
  local answer = server.glance(root, 'selfHarness/tree', { root = vim.uri_from_fname(root), parent = parent })
  local found = {}
  for _, item in ipairs(answer and answer.items or {}) do
    table.insert(found, (item.uri or ''):match(pattern) or item.id:match(pattern))
  end
  return found
end

---@param root string
---@return string[]
local function proposals(root)
  return ids(root, 'proposals', 'P%d+$')
end

---@param root string
---@return string[]
local function runs(root)
  return ids(root, 'runs', 'r%-%d+$')
end

--- The held-in tasks; no others may be named.
---@param root string
---@return string[]
local function tasks(root)
  local params = { root = vim.uri_from_fname(root), testId = 'held-in' }
  local answer = server.glance(root, 'experimental/discoverTest', params)
  return vim.tbl_map(function(test)
    return test.label
  end, answer and answer.tests or {})
end

---@type table<string, fun(root: string, before: string): string[]>
local FOLLOWS = {
  tasks = tasks,
  proposals = proposals,
  proposal = proposals,
  run = runs,
  weakness = function(root)
    return ids(root, 'weaknesses', 'C%-%x+$')
  end,
  trial = function(root)
    return vim.list_extend(runs(root), tasks(root))
  end,
  rule = function()
    local codes = {}
    for _, problem in ipairs(vim.diagnostic.get(0)) do
      codes[tostring(problem.code)] = true
    end
    return vim.tbl_keys(codes)
  end,
  revoke = function()
    return { 'revoke' }
  end,
}

--- What may stand at the end of a command line, up to the cursor.
---@param line string
---@return string[]
function M.complete(line)
  local parts = vim.split(line:gsub('^.-SelfHarness!?%s*', '', 1), '%s+')
  local last = parts[#parts]
  local candidates = {}
  if #parts == 1 then
    candidates = vim.tbl_map(function(word)
      return word.word
    end, words.ALL)
  else
    local word = words.find(parts[1])
    local takes = word and word.takes
    if takes == 'directory' or takes == 'file' then
      return vim.fn.getcompletion(last, takes == 'directory' and 'dir' or 'file')
    end
    local root = project.here()
    if takes and root then
      candidates = FOLLOWS[takes](root)
    end
  end
  local fitting = vim.tbl_filter(function(candidate)
    return vim.startswith(candidate, last)
  end, candidates)
  table.sort(fitting)
  return fitting
end

return M
