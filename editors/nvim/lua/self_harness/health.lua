-- `:checkhealth self_harness`: program, release, capabilities, trust, key and sandbox. Tries the sandbox as `self-harness doctor` does.

local binary = require('self_harness.binary')
local key = require('self_harness.key')
local server = require('self_harness.server')

local M = {}

local health = vim.health

local function editor()
  health.start('Neovim')
  local version = tostring(vim.version())
  if vim.fn.has('nvim-0.11') == 1 then
    health.ok('Neovim ' .. version)
    if not vim.lsp.is_enabled or vim.lsp.is_enabled('self_harness') then
      health.ok('the server is enabled')
    else
      health.warn('the server is not enabled', "add `vim.lsp.enable('self_harness')` to your configuration")
    end
  else
    health.warn(
      'Neovim ' .. version .. ' has no `vim.lsp.enable()`',
      "call `require('self_harness').enable()`, or install Neovim 0.11 or newer"
    )
  end
end

--- The program, if it can be started.
---@return string?
local function program()
  health.start('Program')
  local path, is_there = binary.of(server.config().cmd)
  if not path then
    health.info('`cmd` is a function of yours')
    path = binary.default()
    is_there = vim.fn.executable(path) == 1
  end
  if not is_there then
    health.error(binary.missing(path))
    return nil
  end
  health.ok(('`%s`'):format(vim.fn.exepath(path)))
  local version = binary.version(path)
  local other = binary.other(version)
  if other then
    health.warn(other)
  else
    health.ok(('release %s, as this plugin'):format(version))
  end
  return path
end

---@param client vim.lsp.Client
local function capabilities(client)
  local answer = client.server_capabilities
  if not answer then
    health.error('the server has not answered yet', '`:SelfHarness restart`, `:SelfHarness log`')
    return
  end
  health.ok(('agreed on %s'):format(client.offset_encoding))
  local schema = vim.tbl_get(answer, 'experimental', 'selfHarness', 'schema')
  if schema == 1 then
    health.ok('runs, pages, the tree and questions of this plugin')
  else
    health.warn('this server only checks', 'runs are for Linux, and need plugin and server of one release')
  end
end

--- Whether a root is trusted, and the key of its model is there.
---@param root string
local function standing(root)
  local trust = server.glance(root, 'selfHarness/trust', { root = vim.uri_from_fname(root) })
  if trust and trust.state == 'trusted' then
    health.ok('this folder is trusted')
  elseif trust then
    health.info(('this folder is %s: everything is checked, nothing runs; `:SelfHarness trust`'):format(trust.state))
  else
    health.error('the server does not answer', '`:SelfHarness restart`, `:SelfHarness log`')
  end
  local name = key.variable(root)
  if not name then
    health.info('`harness.toml` names no variable for a key')
  elseif vim.env[name] then
    health.ok(('the variable `%s` is set'):format(name))
  else
    health.warn(('the variable `%s` is not set'):format(name), '`:SelfHarness key`')
  end
end

local function servers()
  health.start('Servers')
  local clients = server.clients()
  if #clients == 0 then
    health.info('none is running: open a file below a `harness.toml`')
  end
  for _, client in ipairs(clients) do
    health.info(('`%s`'):format(client.root_dir))
    capabilities(client)
    if client.initialized then
      standing(client.root_dir)
    end
  end
end

---@param path string
local function sandbox(path)
  health.start('Sandbox')
  local ok, ran = pcall(function()
    return vim.system({ path, 'doctor' }, { text = true, timeout = 60000 }):wait()
  end)
  if not ok then
    health.error(tostring(ran))
    return
  end
  local said = vim.trim(ran.stdout .. ran.stderr)
  if ran.code == 0 then
    health.ok(said)
  else
    health.error(said, 'what is checked works all the same; no trial runs')
  end
end

function M.check()
  editor()
  local path = program()
  servers()
  if path then
    sandbox(path)
  end
end

return M
