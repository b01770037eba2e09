-- The server of a root: finds it, starts it where it is not there yet, asks it, and says what to do if it does not answer.

local binary = require('self_harness.binary')
local project = require('self_harness.project')
local say = require('self_harness.say')
local task = require('self_harness.task')

local M = {}

M.NAME = 'self_harness'

--- Every command is answered in a moment; a server that takes longer hangs.
M.patience = 10000

--- What to do about a server that does not answer.
local HANGS = 'the server does not answer\n`:SelfHarness restart` starts it again, `:SelfHarness log` shows what it said'

--- The client of a root.
---@param root string
---@return vim.lsp.Client?
function M.client(root)
  return vim.iter(M.clients()):find(function(client)
    return client.root_dir == root and client.initialized
  end)
end

--- All our clients, those that still agree with their server among them.
---@return vim.lsp.Client[]
function M.clients()
  -- There is no public way to a client whose server does not answer at the very beginning.
  return vim.tbl_filter(function(client)
    return not M.call(client, 'is_stopped')
  end, vim.lsp.get_clients({ name = M.NAME, _uninitialized = true }))
end

--- The root of the only server, for whoever is in no file of a harness.
---@return string?
function M.only_root()
  local clients = M.clients()
  return #clients == 1 and clients[1].root_dir or nil
end

--- Calls a method of a client: clients of Neovim 0.10 are no objects yet.
---@param client vim.lsp.Client
---@param method string
function M.call(client, method, ...)
  if vim.fn.has('nvim-0.11') == 1 then
    return client[method](client, ...)
  end
  return client[method](...)
end

--- The configuration: of Neovim 0.11 with what the user has changed, before that as it comes.
---@return vim.lsp.ClientConfig
function M.config()
  local config = vim.lsp.config and vim.lsp.config[M.NAME] or require('self_harness.config')
  return vim.deepcopy(config)
end

--- Whether a client serves a configuration's root. Neovim 0.10 would take one whose server is dead.
---@param client vim.lsp.Client
---@param config vim.lsp.ClientConfig
---@return boolean
local function serves(client, config)
  return client.name == config.name and client.root_dir == config.root_dir and not M.call(client, 'is_stopped')
end

--- Starts the server of a root, for its open files; whether it could be started.
---@param root string
---@return boolean
function M.start(root)
  local config = M.config()
  local program, is_there = binary.of(config.cmd)
  if not is_there then
    say.fail(binary.missing(program))
    return false
  end
  config.name = M.NAME
  config.root_dir = root
  local buffers = project.buffers(root)
  if #buffers == 0 then
    return vim.lsp.start(config, { attach = false, reuse_client = serves }) ~= nil
  end
  local is_started = true
  for _, buffer in ipairs(buffers) do
    is_started = vim.lsp.start(config, { bufnr = buffer, reuse_client = serves }) ~= nil and is_started
  end
  return is_started
end

--- Waits until the server of a root can be asked; nil, and a message, if there is none.
---@param root string
---@return vim.lsp.Client?
function M.ready(root)
  local stopped = require('self_harness.supervision').told(root)
  if stopped then
    say.fail(stopped)
    return nil
  end
  if not M.client(root) and not M.start(root) then
    return nil
  end
  local began = vim.uv.now()
  while true do
    local client = M.client(root)
    if client then
      return client
    end
    if M.patience < vim.uv.now() - began then
      say.fail(HANGS)
      return nil
    end
    task.wait(function(done)
      vim.defer_fn(done, 20)
    end)
  end
end

--- An answer without what is null in it. Neovim 0.12 keeps that, and versions before leave it out.
---@param answer any
---@return any
function M.plain(answer)
  if answer == vim.NIL then
    return nil
  end
  if type(answer) ~= 'table' then
    return answer
  end
  return vim.tbl_map(M.plain, answer)
end

--- Asks the server of a root and waits for the answer; nil, and a message, if there is none.
---@param root string
---@param method string
---@param params table
---@return any
function M.request(root, method, params)
  local client = M.ready(root)
  if not client then
    return nil
  end
  local problem, answer = task.wait(function(done)
    local is_over = false
    local function over(...)
      if not is_over then
        is_over = true
        done(...)
      end
    end
    vim.defer_fn(function()
      over({ message = HANGS })
    end, M.patience)
    if not M.call(client, 'request', method, params, over) then
      over({ message = 'the server has stopped\n`:SelfHarness restart` starts it again' })
    end
  end)
  if problem then
    say.fail(problem.message)
    return nil
  end
  return M.plain(answer)
end

--- Asks the server of a root for one of its commands, and tells what it answers. What it refuses it has told itself, and what came of a
--- question whoever asked it.
---@param root string
---@param word string
---@param argument table
---@return table?
function M.command(root, word, argument)
  local answer = M.request(root, 'workspace/executeCommand', {
    command = 'self-harness.' .. word,
    arguments = { vim.tbl_extend('keep', { root = vim.uri_from_fname(root) }, argument) },
  })
  if answer and answer.text and not answer.asked then
    say.note(answer.text)
  end
  return answer
end

--- Asks at once, for completion: a server that is not there or is slow has no answer.
---@param root string
---@param method string
---@param params table
---@return any
function M.glance(root, method, params)
  local client = M.client(root)
  if not client then
    return nil
  end
  local answer
  M.call(client, 'request', method, params, function(_, result)
    answer = M.plain(result) or false
  end)
  vim.wait(500, function()
    return answer ~= nil
  end, 10)
  return answer or nil
end

return M
