<?php
// Runs on host A: does one thing with PHP's ftp extension; script-clients.ts has the verbs.
// usage: php php-ftp.php HOST PORT USER PASSWORD passive|active VERB ARGUMENT...
[, $host, $port, $user, $password, $mode, $verb] = $argv;
$args = array_slice($argv, 7);

function must(mixed $result, string $what): mixed
{
    if ($result === false) {
        fwrite(STDERR, "$what failed\n");
        exit(1);
    }
    return $result;
}

$ftp = must(ftp_connect($host, (int) $port, 20), 'connect');
must(ftp_login($ftp, $user, $password), 'login');
must(ftp_pasv($ftp, $mode === 'passive'), 'mode');

function names(string $folder): array
{
    global $ftp;
    $names = array_map('basename', must(ftp_nlist($ftp, $folder), "nlist $folder"));
    return array_values(array_diff($names, ['.', '..']));
}

function get(string $path, string $file, int $offset = 0): void
{
    global $ftp;
    must(ftp_get($ftp, $file, $path, FTP_BINARY, $offset), "get $path");
}

function put(string $file, string $path, int $offset = 0): void
{
    global $ftp;
    must(ftp_put($ftp, $path, $file, FTP_BINARY, $offset), "put $file");
}

switch ($verb) {
    case 'list':
        echo implode("\n", names($args[0])), "\n";
        break;
    case 'get':
        get(...$args);
        break;
    case 'put':
        put(...$args);
        break;
    case 'getMany':
        [$from, $into] = $args;
        foreach (names($from) as $name) {
            get("$from/$name", "$into/$name");
        }
        break;
    case 'putMany':
        [$from, $into] = $args;
        foreach (glob("$from/*") as $file) {
            put($file, "$into/" . basename($file));
        }
        break;
    case 'resumeGet':
        get($args[0], $args[1], (int) $args[2]);
        break;
    case 'resumePut':
        put($args[0], $args[1], (int) $args[2]);
        break;
    case 'abort':
        // It has no abort: a user closes the session in the middle of a transfer.
        [$big, $into, $path, $file] = $args;
        $target = fopen($into, 'wb');
        must(ftp_nb_fget($ftp, $target, $big, FTP_BINARY) === FTP_MOREDATA, 'abort: get');
        while (ftell($target) === 0) {
            must(ftp_nb_continue($ftp) === FTP_MOREDATA, 'abort: more');
        }
        ftp_close($ftp);
        $ftp = must(ftp_connect($host, (int) $port, 20), 'connect');
        must(ftp_login($ftp, $user, $password), 'login');
        must(ftp_pasv($ftp, $mode === 'passive'), 'mode');
        get($path, $file);
        break;
}
ftp_close($ftp);
