-- The key of the model: it comes from the variable that the manifest names, or from the user's configuration. It is never stored here.

local project = require('self_harness.project')
local say = require('self_harness.say')
local task = require('self_harness.task')

local M = {}

--- What the user's configuration looks like where there is none yet.
local BLANK = {
  '# What no project may say: limits, and where keys come from. `:help self-harness-configuration`',
  '# max_cost_usd = 5.0',
  '#',
  '# [[key]]',
  '# origin = "https://models.example.com"',
  '# command = ["pass", "show", "models"]',
}

--- Opens the user's configuration; what is not there is begun, and written only when the user writes it.
function M.configuration()
  local home = vim.env.XDG_CONFIG_HOME
  if not home or home == '' then
    home = vim.fs.joinpath(vim.uv.os_homedir(), '.config')
  end
  local file = vim.fs.joinpath(home, 'self-harness', 'config.toml')
  vim.fn.mkdir(vim.fs.dirname(file), 'p', tonumber('700', 8))
  vim.cmd.tabedit(vim.fn.fnameescape(file))
  if not vim.uv.fs_stat(file) then
    vim.api.nvim_buf_set_lines(0, 0, -1, false, BLANK)
  end
end

--- The variable that the manifest of a root names.
---@param root string
---@return string?
function M.variable(root)
  for line in io.lines(project.manifest(root)) do
    local name = line:match('^%s*api_key_env%s*=%s*["\']([%w_]+)["\']')
    if name then
      return name
    end
  end
end

--- Asks where the key is to come from. Waits.
---@param root string
function M.set(root)
  local name = M.variable(root)
  if not name then
    say.note('harness.toml names no variable for a key: `[model] api_key_env = "MODEL_API_KEY"`')
    return
  end
  local ways = {
    { title = ('Use variable %s, typed now, until Neovim ends'):format(name), type = true },
    { title = 'Open User Configuration, which can name a command' },
  }
  local way = task.choose(ways, {
    prompt = ('the key is read from %s'):format(name),
    kind = 'self_harness_key',
    format_item = function(way)
      return way.title
    end,
  })
  if not way then
    return
  end
  if not way.type then
    M.configuration()
    return
  end
  local key = vim.fn.inputsecret(name .. ': ')
  if key ~= '' then
    -- The server and its workers get it as they would have got it from the shell.
    vim.env[name] = key
    require('self_harness.supervision').restart(root)
  end
end

return M
