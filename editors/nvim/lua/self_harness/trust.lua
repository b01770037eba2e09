-- Trust: before anything of a project is executed Neovim itself is asked about `harness.toml` (`:help vim.secure.read()`), and the
-- server is told which text the person has seen. Remembers nothing.

local project = require('self_harness.project')
local say = require('self_harness.say')
local server = require('self_harness.server')

local M = {}

--- The SHA-256 of the manifest that the person has looked at and trusts; nil, and a message, if there is none.
---@param root string
---@return string?
local function seen(root)
  local manifest = project.manifest(root)
  if project.is_unsaved(manifest) then
    say.fail('save harness.toml first: trust is about the saved file')
    return nil
  end
  local text = vim.secure.read(manifest)
  if type(text) ~= 'string' then
    say.warn('harness.toml is not trusted: nothing was started\n`:trust` takes back that it was denied')
    return nil
  end
  return vim.fn.sha256(text)
end

--- What a command that executes something says of trust: nothing where the server trusts the project as it is, else which text was
--- seen. False if nothing may start. Waits.
---@param root string
---@return { manifestSha256: string? }|false
function M.before(root)
  local answer = server.request(root, 'selfHarness/trust', { root = vim.uri_from_fname(root) })
  if not answer then
    return false
  end
  if answer.state == 'trusted' then
    return {}
  end
  local digest = seen(root)
  return digest and { manifestSha256 = digest } or false
end

--- Asks for trust, after Neovim's own question. Waits.
---@param root string
function M.ask(root)
  local digest = seen(root)
  if not digest then
    return
  end
  server.request(root, 'selfHarness/trust', {
    root = vim.uri_from_fname(root),
    action = 'ask',
    manifestSha256 = digest,
  })
end

--- Takes trust back. Waits.
---@param root string
function M.revoke(root)
  local answer = server.request(root, 'selfHarness/trust', { root = vim.uri_from_fname(root), action = 'revoke' })
  if answer then
    say.note('this folder is not trusted any more')
  end
end

return M
