-- Runs on host A: does one thing with LuaSocket's ftp module, a session each; script-clients.ts has the verbs.
-- usage: lua luasocket.lua HOST PORT USER PASSWORD passive VERB ARGUMENT...
local ftp = require("socket.ftp")
local ltn12 = require("ltn12")
local host, port, user, password, _, verb = table.unpack(arg, 1, 6)
ftp.TIMEOUT = 20

local function request(path, more)
  local all = { host = host, port = tonumber(port), user = user, password = password, path = path, type = "i" }
  for key, value in pairs(more) do
    all[key] = value
  end
  return all
end

local function get(path, file)
  assert(ftp.get(request(path, { sink = ltn12.sink.file(assert(io.open(file, "wb"))) })))
end

local function put(file, path)
  assert(ftp.put(request(path, { source = ltn12.source.file(assert(io.open(file, "rb"))) })))
end

local function names(folder)
  local chunks, found = {}, {}
  assert(ftp.get(request(folder, { command = "nlst", sink = ltn12.sink.table(chunks) })))
  for name in table.concat(chunks):gmatch("([^/\r\n]+)\r?\n") do
    if name ~= "." and name ~= ".." then
      table.insert(found, name)
    end
  end
  return found
end

local verbs = {
  list = function(folder)
    print(table.concat(names(folder), "\n"))
  end,
  get = get,
  put = put,
  getMany = function(from, into)
    for _, name in ipairs(names(from)) do
      get(from .. "/" .. name, into .. "/" .. name)
    end
  end,
  -- It cannot list a folder of this machine.
  putMany = function(from, into)
    for name in io.popen("ls " .. from):lines() do
      put(from .. "/" .. name, into .. "/" .. name)
    end
  end,
  abort = function(big, _, path, file)
    local stopped = ltn12.sink.null()
    local function stop(chunk, err)
      if chunk then
        return nil, "stopped"
      end
      return stopped(chunk, err)
    end
    assert(not ftp.get(request(big, { sink = stop })), "it was interrupted and succeeded")
    get(path, file)
  end,
}
verbs[verb](table.unpack(arg, 7))
