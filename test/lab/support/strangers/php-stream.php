<?php
// Runs on host A: does one thing with PHP's ftp:// streams, a session each; script-clients.ts has the verbs.
// usage: php php-stream.php HOST PORT USER PASSWORD passive VERB ARGUMENT...
[, $host, $port, $user, $password, , $verb] = $argv;
$args = array_slice($argv, 7);
set_error_handler(function (int $level, string $message): bool {
    fwrite(STDERR, "$message\n");
    return error_reporting() & $level ? exit(1) : true;
});

function url(string $path): string
{
    global $host, $port, $user, $password;
    $at = str_contains($host, ':') ? "[$host]" : $host;
    return "ftp://$user:$password@$at:$port/$path";
}

function names(string $folder): array
{
    return array_values(array_diff(scandir(url($folder)), ['.', '..']));
}

function copied(string $from, string $to): void
{
    if (!copy($from, $to)) {
        fwrite(STDERR, "copy to $to failed\n");
        exit(1);
    }
}

switch ($verb) {
    case 'list':
        echo implode("\n", names($args[0])), "\n";
        break;
    case 'get':
        copied(url($args[0]), $args[1]);
        break;
    case 'put':
        copied($args[0], url($args[1]));
        break;
    case 'getMany':
        [$from, $into] = $args;
        foreach (names($from) as $name) {
            copied(url("$from/$name"), "$into/$name");
        }
        break;
    case 'putMany':
        [$from, $into] = $args;
        foreach (glob("$from/*") as $file) {
            copied($file, url("$into/" . basename($file)));
        }
        break;
    case 'resumeGet':
        [$path, $file, $offset] = $args;
        $context = stream_context_create(['ftp' => ['resume_pos' => (int) $offset]]);
        file_put_contents($file, fopen(url($path), 'rb', false, $context), FILE_APPEND);
        break;
    case 'resumePut':
        [$file, $path, $offset] = $args;
        $source = fopen($file, 'rb');
        fseek($source, (int) $offset);
        stream_copy_to_stream($source, fopen(url($path), 'ab'));
        break;
    case 'abort':
        [$big, , $path, $file] = $args;
        $source = fopen(url($big), 'rb');
        if (strlen(fread($source, 8192)) === 0) {
            fwrite(STDERR, "no data\n");
            exit(1);
        }
        // It complains of the reply to what was broken.
        @fclose($source);
        copied(url($path), $file);
        break;
}
