-- What belongs to the command line, in a terminal of Neovim: `seal`, `import` and `demo` ask and tell there what they do; `init`
-- makes files.

local binary = require('self_harness.binary')
local say = require('self_harness.say')
local server = require('self_harness.server')
local task = require('self_harness.task')

local M = {}

--- The program; nil, and a message, if it is not there.
---@return string?
local function program()
  local path, is_there = binary.of(server.config().cmd)
  path = path or binary.default()
  if not is_there or vim.fn.executable(path) == 0 then
    say.fail(binary.missing(path))
    return nil
  end
  return path
end

--- Runs a command of the command line in a terminal.
---@param arguments string[]
---@param directory string?
function M.open(arguments, directory)
  local path = program()
  if not path then
    return
  end
  vim.cmd.tabnew()
  local command = vim.list_extend({ path }, arguments)
  if vim.fn.has('nvim-0.11') == 1 then
    vim.fn.jobstart(command, { term = true, cwd = directory })
  else
    vim.fn.termopen(command, { cwd = directory })
  end
  vim.cmd.startinsert()
end

--- Takes what another program has left in a directory as evidence. Waits.
---@param root string
---@param directory string?
function M.import(root, directory)
  directory = directory
    or task.wait(function(done)
      vim.ui.input({ prompt = 'import results from where? ', default = root, completion = 'dir' }, done)
    end)
  if directory and directory ~= '' then
    M.open({ 'import', vim.fn.fnamemodify(directory, ':p') }, root)
  end
end

--- Creates a harness in a directory, from one of these presets, and opens its manifest. Waits.
---@param directory string?
---@param presets string[]
function M.create(directory, presets)
  local path = program()
  if not path then
    return
  end
  directory = directory
    or task.wait(function(done)
      vim.ui.input({ prompt = 'create a harness where? ', default = vim.fn.getcwd(), completion = 'dir' }, done)
    end)
  if not directory or directory == '' then
    return
  end
  local preset = presets[1]
  if 1 < #presets then
    preset = task.choose(presets, { prompt = 'what to start from?', kind = 'self_harness_preset' })
  end
  if not preset then
    return
  end
  local ran = task.wait(function(done)
    vim.system({ path, 'init', '--preset', preset, vim.fn.fnamemodify(directory, ':p') }, { text = true }, done)
  end)
  if ran.code ~= 0 then
    say.fail(vim.trim(ran.stderr))
    return
  end
  say.note(vim.trim(ran.stdout))
  vim.cmd.edit(vim.fn.fnameescape(vim.fs.joinpath(directory, 'harness.toml')))
end

return M
