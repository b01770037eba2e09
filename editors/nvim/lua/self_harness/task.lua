-- Work that waits: for an answer of the server, or for a person. Written as one function, run as a coroutine.

local say = require('self_harness.say')

local M = {}

--- Runs a function that may wait. What it raises is told.
---@param work fun()
function M.start(work)
  local thread = coroutine.create(work)
  local ok, problem = coroutine.resume(thread)
  if not ok then
    say.fail(debug.traceback(thread, tostring(problem)))
  end
end

--- Waits until `begin` has called what it is given; returns what that was called with.
---@param begin fun(done: fun(...))
---@return any ...
function M.wait(begin)
  local thread = coroutine.running()
  begin(function(...)
    local results = vim.F.pack_len(...)
    -- Never before the wait has begun: a dialog may answer at once.
    vim.schedule(function()
      local ok, problem = coroutine.resume(thread, vim.F.unpack_len(results))
      if not ok then
        say.fail(debug.traceback(thread, tostring(problem)))
      end
    end)
  end)
  return coroutine.yield()
end

--- Waits until a person has chosen one of several; nil if they have chosen none.
---@generic T
---@param items T[]
---@param options table
---@return T?
function M.choose(items, options)
  return M.wait(function(done)
    vim.ui.select(items, options, done)
  end)
end

return M
