-- The question before something is executed or spent: its exact lines in a float, and one choice. Whoever closes it has not said yes.

local say = require('self_harness.say')
local task = require('self_harness.task')

local M = {}

--- So many lines of the screen the choice needs below the float.
local CHOICE = 3

---@class self_harness.Question
---@field verb string
---@field title string
---@field lines string[]
---@field buttons { id: string, title: string }[]

--- How many lines of the screen these lines take in a window of this width.
---@param lines string[]
---@param width integer
---@return integer
local function height(lines, width)
  local rows = 0
  for _, line in ipairs(lines) do
    rows = rows + math.max(1, math.ceil(vim.fn.strdisplaywidth(line) / width))
  end
  return rows
end

--- Opens the float; nil if the screen is too small to show all of it.
---@param question self_harness.Question
---@return integer? window
local function open(question)
  local width = vim.fn.strdisplaywidth(question.title) + 4
  for _, line in ipairs(question.lines) do
    width = math.max(width, vim.fn.strdisplaywidth(line))
  end
  width = math.min(width, vim.o.columns - 4)
  local rows = height(question.lines, width)
  local room = vim.o.lines - vim.o.cmdheight - CHOICE - #question.buttons
  if width < 20 or #question.lines == 0 or room < rows + 2 then
    return nil
  end
  local buffer = vim.api.nvim_create_buf(false, true)
  vim.bo[buffer].bufhidden = 'wipe'
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, question.lines)
  vim.bo[buffer].modifiable = false
  local window = vim.api.nvim_open_win(buffer, false, {
    relative = 'editor',
    row = math.max(0, math.floor((room - rows - 2) / 2)),
    col = math.floor((vim.o.columns - width - 2) / 2),
    width = width,
    height = rows,
    style = 'minimal',
    border = 'rounded',
    title = (' %s '):format(question.title),
    focusable = false,
    noautocmd = true,
  })
  vim.wo[window].wrap = true
  return window
end

--- Asks; the answer for the server.
---@param question self_harness.Question
---@return { button: string|vim.NIL }
function M.ask(question)
  local window = open(question)
  local prompt = question.title
  if not window and 0 < #question.lines then
    -- What does not fit into a float is a part of the question, which the editor shows page by page.
    prompt = prompt .. '\n' .. table.concat(question.lines, '\n')
  end
  vim.cmd.redraw()
  local button = task.choose(question.buttons, {
    prompt = prompt,
    kind = 'self_harness_consent',
    format_item = function(button)
      return button.title
    end,
  })
  if window and vim.api.nvim_win_is_valid(window) then
    vim.api.nvim_win_close(window, true)
  end
  if not button or button.id == 'cancel' then
    -- The command has been answered long ago.
    say.note(question.verb == 'trust' and 'nothing was trusted' or 'nothing was started')
  end
  return { button = button and button.id or vim.NIL }
end

return M
