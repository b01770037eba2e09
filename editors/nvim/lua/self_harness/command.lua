-- Carries out the words of `:SelfHarness`, and the commands of lenses, hints and actions that are not the server's alone.

local project = require('self_harness.project')
local say = require('self_harness.say')
local server = require('self_harness.server')
local task = require('self_harness.task')
local words = require('self_harness.words')

local M = {}

--- Modules are read when they are needed.
---@param module string
---@return table
local function of(module)
  return require('self_harness.' .. module)
end

--- The root that is meant: of this buffer or directory, else of the only server.
---@return string?
local function here()
  return project.here() or server.only_root()
end

--- What needs no server, and works while there is none.
---@type table<string, fun(arguments: string[])>
local ALONE = {
  menu = function()
    of('menu').open(here())
  end,
  restart = function()
    of('supervision').restart(here())
  end,
  log = function()
    of('supervision').log()
  end,
  init = function(arguments)
    of('terminal').create(arguments[1], { 'minimal', 'claude-code', 'mini-swe-agent', 'deepagents', 'harbor-terminal-bench-2' })
  end,
  demo = function()
    of('terminal').open({ 'demo' })
  end,
  budget = function()
    of('key').configuration()
  end,
}

--- What the client does with a root, with the help of the server.
---@type table<string, fun(root: string, arguments: string[])>
local WITH_ROOT = {
  mine = function(root)
    of('evidence').list(root)
  end,
  weaknesses = function(root, arguments)
    if arguments[1] then
      server.command(root, 'weaknesses', { clusters = arguments })
    else
      of('evidence').list(root)
    end
  end,
  trace = function(root, arguments)
    of('evidence').trace(root, arguments)
  end,
  preview = function(root, arguments)
    of('proposals').preview(root, arguments)
  end,
  apply = function(root, arguments)
    of('proposals').with(root, 'apply', arguments)
  end,
  dismiss = function(root, arguments)
    of('proposals').with(root, 'dismiss', arguments)
  end,
  restore = function(root, arguments)
    of('proposals').with(root, 'restore', arguments)
  end,
  rendered = function(root, arguments)
    local file = arguments[1] or vim.fs.normalize(vim.api.nvim_buf_get_name(0)):sub(#root + 2)
    server.command(root, 'rendered', { file = file })
  end,
  rule = function(root, arguments)
    local here = vim.diagnostic.get(0, { lnum = vim.api.nvim_win_get_cursor(0)[1] - 1 })[1]
    local rule = arguments[1] or (here and here.code)
    if rule then
      server.command(root, 'rule', { rule = rule })
    else
      say.warn('no problem on this line: name a rule, as `:SelfHarness rule SH104`')
    end
  end,
  fix = function()
    vim.lsp.buf.code_action({ context = { only = { 'source.fixAll.selfHarness' }, diagnostics = {} }, apply = true })
  end,
  trust = function(root, arguments)
    if arguments[1] == 'revoke' then
      of('trust').revoke(root)
    else
      of('trust').ask(root)
    end
  end,
  key = function(root)
    of('key').set(root)
  end,
  import = function(root, arguments)
    of('terminal').import(root, arguments[1])
  end,
  seal = function(root)
    of('terminal').open({ 'seal' }, root)
  end,
}

--- What the server is told of the words that follow a command.
---@param word self_harness.Word
---@param arguments string[]
---@return table
local function argument(word, arguments)
  if #arguments == 0 then
    return {}
  end
  if word.takes == 'run' then
    return { run = arguments[1] }
  end
  return word.takes and { [word.takes] = arguments } or {}
end

--- Has the server start something, once the person trusts what it would execute. Waits.
---@param root string
---@param word string
---@param with table
local function execute(root, word, with)
  local trust = of('trust').before(root)
  if trust then
    server.command(root, word, vim.tbl_extend('force', with, trust))
  end
end

--- Carries out a word.
---@param given string[]
function M.run(given)
  local name = given[1] or 'menu'
  local arguments = vim.list_slice(given, 2)
  local word = words.find(name)
  if not word then
    say.fail(('there is no `%s`: `:SelfHarness <Tab>` shows what there is'):format(name))
    return
  end
  task.start(function()
    if ALONE[name] then
      return ALONE[name](arguments)
    end
    local root = here()
    if not root then
      say.warn('no folder with a `harness.toml` is open')
    elseif WITH_ROOT[name] then
      WITH_ROOT[name](root, arguments)
    elseif word.executes then
      execute(root, name, argument(word, arguments))
    else
      server.command(root, name, argument(word, arguments))
    end
  end)
end

--- Carries out a command that the server has put into a lens, a hint or an action.
---@param word string
---@param with table
function M.intercept(word, with)
  task.start(function()
    local root = with.root and vim.uri_to_fname(with.root) or here()
    if not root then
      return
    end
    if word == 'menu' then
      of('menu').open(root)
    elseif word == 'preview' then
      of('proposals').preview(root, with.proposals or {})
    elseif WITH_ROOT[word] then
      WITH_ROOT[word](root, {})
    else
      execute(root, word, with)
    end
  end)
end

--- Does what a lens says, as if somebody had clicked on it.
---@param root string
---@param command lsp.Command
function M.perform(root, command)
  local word = command.command:match('^self%-harness%.(.+)$')
  local with = (command.arguments or {})[1] or {}
  if vim.list_contains(words.INTERCEPTED, word) then
    M.intercept(word, with)
  else
    task.start(function()
      server.command(root, word, with)
    end)
  end
end

return M
