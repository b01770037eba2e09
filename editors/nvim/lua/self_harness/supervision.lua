-- What becomes of servers: one that dies is started again, three times in a while; one that hangs at the start, or is of another
-- release, is told. `:SelfHarness restart` and `log` work while none is there.

local binary = require('self_harness.binary')
local project = require('self_harness.project')
local say = require('self_harness.say')
local server = require('self_harness.server')
local task = require('self_harness.task')

local M = {}

--- So many restarts within so many milliseconds, and no more.
local RESTARTS = 3
local A_WHILE = 180000

--- How long a server has to end when it is asked to.
local LAST_WORDS = 2000

--- What to do once it is over.
local WHAT_NOW = '\n`:SelfHarness log` shows what it said, `:SelfHarness restart` starts it again'

--- The times of the restarts of each root.
---@type table<string, integer[]>
local restarts = {}

--- Why the server of a root is not running any more: what was said of its end, or that it is missing.
---@type table<string, string>
local stopped = {}
local MISSING = 'missing'

--- Roots whose server is being ended on purpose.
---@type table<string, boolean>
local ending = {}

--- What was told once is not told for every file.
---@type table<string, boolean>
local told = {}

---@param text string
local function once(text)
  if not told[text] then
    told[text] = true
    say.fail(text)
  end
end

--- Whether the server of a root is not running any more, or could not be started.
---@param root string
---@return boolean
function M.is_stopped(root)
  return stopped[root] ~= nil
end

--- What is to be said of a server that has died too often; nil if it has not.
---@param root string
---@return string?
function M.told(root)
  return stopped[root] ~= MISSING and stopped[root] or nil
end

--- Whether a server can be started for a root now; if not, what to do is told once.
---@param root string
---@return boolean
function M.may_start(root)
  local program, is_there = binary.of(server.config().cmd)
  if not is_there then
    stopped[root] = MISSING
    once(binary.missing(program))
    return false
  end
  return M.told(root) == nil
end

--- A file was opened. Neovim 0.11 starts no server whose program is not there, and says so in its log alone.
---@param buffer integer
function M.opened(buffer)
  local is_enabled = vim.lsp.is_enabled and vim.lsp.is_enabled(server.NAME)
  local root = is_enabled and project.of(buffer)
  if root then
    M.may_start(root)
  end
end

--- A server is being started: whoever waits for it is told if it says nothing.
---@param config vim.lsp.ClientConfig
function M.begins(config)
  local root = config.root_dir
  vim.defer_fn(function()
    local is_mute = vim.iter(server.clients()):any(function(client)
      return client.root_dir == root and not client.initialized
    end)
    if is_mute then
      say.fail('the server does not answer' .. WHAT_NOW)
    end
  end, server.patience)
end

--- A server and this client have agreed.
---@param client vim.lsp.Client
---@param answer lsp.InitializeResult
function M.begun(client, answer)
  stopped[client.root_dir] = nil
  local other = binary.other(vim.tbl_get(answer, 'serverInfo', 'version'))
  if other then
    once(other)
  end
  if not vim.tbl_get(answer, 'capabilities', 'experimental', 'selfHarness') then
    once('this server checks and starts nothing: runs are for Linux')
  end
end

--- A server has ended.
---@param root string
---@param code integer
---@param signal integer
function M.ended(root, code, signal)
  -- 15 is how Neovim ends a server that somebody stops by force.
  if ending[root] or vim.v.exiting ~= vim.NIL or (code == 0 and signal == 0) or signal == 15 then
    return
  end
  local now = vim.uv.now()
  local recent = vim.tbl_filter(function(time)
    return now - time < A_WHILE
  end, restarts[root] or {})
  restarts[root] = recent
  if #recent < RESTARTS then
    table.insert(recent, now)
    server.start(root)
    return
  end
  local how = signal ~= 0 and ('by signal %d'):format(signal) or ('with code %d'):format(code)
  stopped[root] = ('server stopped: it ended %s, %d times in a row'):format(how, RESTARTS + 1) .. WHAT_NOW
  say.fail(stopped[root])
  vim.cmd.redrawstatus({ bang = true })
end

--- Ends the servers that are there and starts those of these roots. Waits.
---@param root string?
function M.restart(root)
  local roots = {}
  if root then
    roots[root] = true
  end
  for _, client in ipairs(server.clients()) do
    roots[client.root_dir] = true
    ending[client.root_dir] = true
    server.call(client, 'stop')
  end
  local began = vim.uv.now()
  while 0 < #server.clients() do
    if LAST_WORDS < vim.uv.now() - began then
      for _, client in ipairs(server.clients()) do
        server.call(client, 'stop', true)
      end
    end
    task.wait(function(done)
      vim.defer_fn(done, 20)
    end)
  end
  told, restarts, stopped = {}, {}, {}
  for of in pairs(roots) do
    ending[of] = nil
    server.start(of)
  end
  if vim.tbl_isempty(roots) then
    say.warn('no folder with a `harness.toml` is open')
  end
end

--- Shows the end of the log that Neovim keeps of its servers.
function M.log()
  local log = vim.lsp.log or require('vim.lsp.log')
  vim.cmd.tabedit(vim.fn.fnameescape(log.get_filename()))
  vim.cmd.normal({ 'G', bang = true })
end

return M
