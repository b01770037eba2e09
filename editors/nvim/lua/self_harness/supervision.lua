-- What becomes of servers: one that dies is started again, three times in a while; one that does not answer is ended first; one of another
-- release is told. `:SelfHarness restart` and `log` work while none is there.

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

--- A server is asked so often whether it is still there, while nothing else is.
M.beat = 15000

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

--- Clients that are ended because their server does not answer, and what is to be said of it.
---@type table<integer, string>
local hanging = {}

--- When the server of a root was last started.
---@type table<string, integer>
local starts = {}

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

--- The times of the restarts of a root a short while ago.
---@param root string
---@return integer[]
local function recent(root)
  local now = vim.uv.now()
  return vim.tbl_filter(function(time)
    return now - time < A_WHILE
  end, restarts[root] or {})
end

--- Ends a server that does not answer; it counts as one that has died.
---@param client vim.lsp.Client
---@param patience integer
local function hangs(client, patience)
  local root = client.root_dir
  hanging[client.id] = ('it did not answer within %g s'):format(patience / 1000)
  if #recent(root) == 0 then
    say.warn('the server does not answer: it is ended and started again')
  end
  server.call(client, 'stop', true)
  vim.defer_fn(function()
    if hanging[client.id] then
      stopped[root] = 'the server does not answer, and does not end' .. WHAT_NOW
      say.fail(stopped[root])
    end
  end, LAST_WORDS)
end

--- Asks a server again and again whether it is there: one that says nothing from one beat to the next hangs.
---@param client vim.lsp.Client
local function watch(client)
  local is_awaited = false
  local timer = assert(vim.uv.new_timer())
  timer:start(M.beat, M.beat, vim.schedule_wrap(function()
    local is_over = server.call(client, 'is_stopped')
    if not is_over and not is_awaited then
      is_awaited = true
      -- It knows no such request: that is an answer.
      server.call(client, 'request', 'selfHarness/isThere', {}, function()
        is_awaited = false
      end)
      return
    end
    if not timer:is_closing() then
      timer:close()
      if not is_over then
        hangs(client, M.beat)
      end
    end
  end))
end

--- A server is being started: if it says nothing it hangs.
---@param config vim.lsp.ClientConfig
function M.begins(config)
  local root = config.root_dir
  local start = vim.uv.hrtime()
  local patience = server.patience
  starts[root] = start
  vim.defer_fn(function()
    local mute = vim.iter(server.clients()):find(function(client)
      return client.root_dir == root and not client.initialized
    end)
    if mute and starts[root] == start then
      hangs(mute, patience)
    end
  end, patience)
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
  watch(client)
end

--- A server is gone without having been asked to go.
---@param root string
---@param how string
local function died(root, how)
  local times = recent(root)
  restarts[root] = times
  if #times < RESTARTS then
    table.insert(times, vim.uv.now())
    server.start(root)
    return
  end
  stopped[root] = ('server stopped: %s, %d times in a row'):format(how, RESTARTS + 1) .. WHAT_NOW
  say.fail(stopped[root])
  vim.cmd.redrawstatus({ bang = true })
end

--- A server has ended.
---@param root string
---@param code integer
---@param signal integer
---@param id integer of its client
function M.ended(root, code, signal, id)
  local why = hanging[id]
  hanging[id] = nil
  -- 15 is how Neovim ends a server that somebody stops by force.
  local is_meant = (code == 0 and signal == 0) or signal == 15
  if ending[root] or vim.v.exiting ~= vim.NIL or (is_meant and not why) then
    return
  end
  died(root, why or (signal ~= 0 and ('it ended by signal %d'):format(signal) or ('it ended with code %d'):format(code)))
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
  told, restarts, stopped, hanging = {}, {}, {}, {}
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
