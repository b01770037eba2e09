-- The client's configuration: what is started for which files, what this client can do, and who takes what the server says.

local binary = require('self_harness.binary')
local project = require('self_harness.project')

--- Modules are read when they are needed: a configuration is read for every file that is opened.
---@param module string
---@return table
local function of(module)
  return require('self_harness.' .. module)
end

---@type table<string, lsp.Handler>
local handlers = {
  ['selfHarness/consent'] = function(_, params)
    return of('consent').ask(params)
  end,
  ['selfHarness/runState'] = function(_, params, context)
    of('runs').is_another(params, context.client_id)
  end,
  ['selfHarness/treeChanged'] = function(_, params)
    of('runs').tree_changed(params)
  end,
  ['selfHarness/contentChanged'] = function(_, params)
    of('pages').changed(params.uri)
  end,
  -- The text of the status line says it.
  ['selfHarness/trustState'] = function() end,
  ['experimental/serverStatus'] = function(_, params, context)
    of('runs').stands(params, context.client_id)
  end,
  ['window/showMessage'] = function(_, params)
    local how = ({ 'fail', 'warn' })[params.type] or 'note'
    of('say')[how](params.message)
  end,
}

local capabilities = {
  experimental = {
    serverStatusNotification = true,
    selfHarness = { consent = true, content = true },
  },
}

if not of('refresh').IS_BUILT_IN then
  capabilities.workspace = { diagnostics = { refreshSupport = true }, codeLens = { refreshSupport = true } }
  handlers['workspace/diagnostic/refresh'] = function(_, _, context)
    of('refresh').problems(context.client_id)
    return vim.NIL
  end
  handlers['workspace/inlayHint/refresh'] = function(_, _, context)
    of('refresh').hints(context.client_id)
    return vim.NIL
  end
  handlers['workspace/codeLens/refresh'] = function(_, _, context)
    of('refresh').lenses(context.client_id)
    return vim.NIL
  end
end

if not of('edits').IS_BUILT_IN then
  handlers['workspace/applyEdit'] = function(problem, params, context)
    of('edits').mend(params.edit)
    return vim.lsp.handlers['workspace/applyEdit'](problem, params, context)
  end
end

-- Neovim 0.10 takes this for all that it can do.
if vim.fn.has('nvim-0.11') == 0 then
  capabilities = vim.tbl_deep_extend('force', vim.lsp.protocol.make_client_capabilities(), capabilities)
end

--- What the commands of lenses, hints and actions do that are not the server's alone.
---@type table<string, fun(command: lsp.Command, context: table)>
local commands = {}
for _, word in ipairs(require('self_harness.words').INTERCEPTED) do
  commands['self-harness.' .. word] = function(command)
    of('command').intercept(word, (command.arguments or {})[1] or {})
  end
end

---@type vim.lsp.Config
return {
  cmd = { binary.default(), 'lsp' },
  root_dir = function(buffer, on_dir)
    local root = project.of(buffer)
    if root and of('supervision').may_start(root) then
      on_dir(root)
    end
  end,
  capabilities = capabilities,
  handlers = handlers,
  commands = commands,
  before_init = function(_, config)
    of('supervision').begins(config)
  end,
  on_init = function(client, answer)
    of('supervision').begun(client, answer)
    if not of('edits').IS_BUILT_IN then
      of('edits').watch(client)
    end
    of('pages').reload(client)
  end,
  on_exit = function(code, signal, id)
    local client = vim.lsp.get_client_by_id(id)
    local root = client and client.root_dir
    vim.schedule(function()
      if root then
        of('supervision').ended(root, code, signal, id)
      end
    end)
  end,
}
