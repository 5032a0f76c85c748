// Runs on host A: does one thing with the FTP client of java.net.URL, a session each; script-clients.ts has the verbs.
// usage: java JavaUrl.java HOST PORT USER PASSWORD passive VERB ARGUMENT...

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URL;
import java.net.URLConnection;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.stream.Collectors;

class JavaUrl {
    private static String login;

    public static void main(String[] argv) throws IOException {
        String host = argv[0].contains(":") ? "[" + argv[0] + "]" : argv[0];
        login = "ftp://" + argv[2] + ":" + argv[3] + "@" + host + ":" + argv[1] + "/";
        switch (argv[5]) {
            case "list" -> names(argv[6]).forEach(System.out::println);
            case "get" -> get(argv[6], argv[7]);
            case "put" -> put(argv[6], argv[7]);
            case "getMany" -> {
                for (String name : names(argv[6])) {
                    get(argv[6] + "/" + name, argv[7] + "/" + name);
                }
            }
            case "putMany" -> {
                for (Path file : Files.list(Path.of(argv[6])).sorted().collect(Collectors.toList())) {
                    put(file.toString(), argv[7] + "/" + file.getFileName());
                }
            }
            case "abort" -> {
                InputStream data = open(argv[6]).getInputStream();
                if (data.read() < 0) {
                    throw new IOException("no data");
                }
                try {
                    data.close();
                } catch (IOException noReply) {
                    // pure-ftpd sends no final reply to a download that is broken.
                    System.err.println(noReply);
                }
                get(argv[8], argv[9]);
            }
            default -> throw new IllegalArgumentException(argv[5]);
        }
    }

    private static URLConnection open(String path) throws IOException {
        URLConnection connection = new URL(login + path).openConnection();
        connection.setConnectTimeout(20_000);
        connection.setReadTimeout(20_000);
        return connection;
    }

    private static List<String> names(String folder) throws IOException {
        try (InputStream data = open(folder + ";type=d").getInputStream()) {
            return new String(data.readAllBytes())
                    .lines()
                    .map(JavaUrl::lastWord)
                    .filter(name -> !name.equals(".") && !name.equals(".."))
                    .collect(Collectors.toList());
        }
    }

    private static String lastWord(String line) {
        return line.substring(Math.max(line.lastIndexOf(' '), line.lastIndexOf('/')) + 1);
    }

    private static void get(String path, String file) throws IOException {
        try (InputStream data = open(path + ";type=i").getInputStream()) {
            Files.copy(data, Path.of(file), StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private static void put(String file, String path) throws IOException {
        URLConnection connection = open(path + ";type=i");
        connection.setDoOutput(true);
        try (OutputStream data = connection.getOutputStream()) {
            Files.copy(Path.of(file), data);
        }
    }
}
