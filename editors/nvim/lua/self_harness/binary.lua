-- Where the server's program is, and of which release it and this plugin are. Starts it only to ask for its version.

local M = {}

--- The release of this plugin; the server comes from the same one.
M.VERSION = '0.1.0'

--- The program that lies beside the plugin in a release, else the one on the path.
---@return string
function M.default()
  local here = debug.getinfo(1, 'S').source:sub(2)
  local root = vim.fs.dirname(vim.fs.dirname(vim.fs.dirname(here)))
  local own = vim.fs.joinpath(root, 'bin', 'self-harness')
  return vim.fn.executable(own) == 1 and own or 'self-harness'
end

--- The program of a configuration, and whether it can be started. A `cmd` that is a function is the user's own affair.
---@param cmd string[]|function
---@return string? program
---@return boolean is_there
function M.of(cmd)
  if type(cmd) ~= 'table' then
    return nil, true
  end
  return cmd[1], vim.fn.executable(cmd[1]) == 1
end

--- What to do about a program that is not there.
---@param program string
---@return string
function M.missing(program)
  return ('the server is missing: `%s` cannot be started\n'):format(program)
    .. 'install `self-harness` on your PATH, or say where it is: '
    .. "vim.lsp.config('self_harness', { cmd = { '/path/to/self-harness', 'lsp' } })"
end

--- What to do about a server of another release; nil if it is of this one.
---@param version string?
---@return string?
function M.other(version)
  if version == M.VERSION then
    return nil
  end
  return ('the server is %s and this plugin %s\n'):format(version or 'of an unknown release', M.VERSION)
    .. 'install both from one release, then `:SelfHarness restart`'
end

--- What a program says of its release.
---@param program string
---@return string?
function M.version(program)
  local ok, ran = pcall(function()
    return vim.system({ program, '--version' }, { text = true, timeout = 10000 }):wait()
  end)
  return ok and ran.code == 0 and ran.stdout:match('^self%-harness (%S+)') or nil
end

return M
