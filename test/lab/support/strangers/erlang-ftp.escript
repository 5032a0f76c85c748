#!/usr/bin/env escript
%% Runs on host A: does one thing with Erlang's ftp application; script-clients.ts has the verbs.
%% usage: escript erlang-ftp.escript HOST PORT USER PASSWORD passive|active VERB ARGUMENT...

main([Host, Port, User, Password, Mode, Verb | Args]) ->
    {ok, _} = application:ensure_all_started(ftp),
    Connect = fun() -> connect(Host, list_to_integer(Port), User, Password, list_to_atom(Mode)) end,
    Ftp = Connect(),
    case {Verb, Args} of
        {"list", [Folder]} -> [io:format("~s~n", [Name]) || Name <- names(Ftp, Folder)];
        {"get", [Path, File]} -> ok = ftp:recv(Ftp, Path, File);
        {"put", [File, Path]} -> ok = ftp:send(Ftp, File, Path);
        {"getMany", [From, Into]} ->
            [{Name, ok} = {Name, ftp:recv(Ftp, From ++ "/" ++ Name, Into ++ "/" ++ Name)} || Name <- names(Ftp, From)];
        {"putMany", [From, Into]} ->
            {ok, Names} = file:list_dir(From),
            [{Name, ok} = {Name, ftp:send(Ftp, From ++ "/" ++ Name, Into ++ "/" ++ Name)} || Name <- lists:sort(Names)];
        {"resumePut", [File, Path, Offset]} ->
            Sent = list_to_integer(Offset),
            {ok, <<_:Sent/binary, Rest/binary>>} = file:read_file(File),
            ok = ftp:append_bin(Ftp, Rest, Path);
        {"abort", [Big, _, Path, File]} ->
            %% It cannot abort: a user closes the session.
            ok = ftp:recv_chunk_start(Ftp, Big),
            {ok, _} = ftp:recv_chunk(Ftp),
            ftp:close(Ftp),
            ok = ftp:recv(Connect(), Path, File)
    end.

connect(Host, Port, User, Password, Mode) ->
    Family = case lists:member($:, Host) of true -> inet6; false -> inet end,
    {ok, Ftp} = ftp:open(Host, [{port, Port}, {mode, Mode}, {ipfamily, Family}, {timeout, 20000}]),
    ok = ftp:user(Ftp, User, Password),
    ok = ftp:type(Ftp, binary),
    Ftp.

names(Ftp, Folder) ->
    {ok, Listing} = ftp:nlist(Ftp, Folder),
    [filename:basename(Path) || Path <- string:tokens(Listing, "\r\n")] -- [".", ".."].
