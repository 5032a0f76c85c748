// Runs on host A: does one thing with Apache Commons Net; script-clients.ts has the verbs.
// usage: java -cp commons-net.jar CommonsNet.java HOST PORT USER PASSWORD passive|active VERB ARGUMENT...

import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.commons.net.ftp.FTP;
import org.apache.commons.net.ftp.FTPClient;
import org.apache.commons.net.ftp.FTPFile;

class CommonsNet {
    private static final FTPClient ftp = new FTPClient();

    public static void main(String[] argv) throws IOException {
        ftp.setConnectTimeout(20_000);
        ftp.setDefaultTimeout(20_000);
        ftp.setDataTimeout(20_000);
        ftp.connect(argv[0], Integer.parseInt(argv[1]));
        must(ftp.login(argv[2], argv[3]), "login");
        must(ftp.setFileType(FTP.BINARY_FILE_TYPE), "type");
        if (argv[4].equals("passive")) {
            ftp.enterLocalPassiveMode();
        }
        String[] args = Arrays.copyOfRange(argv, 6, argv.length);
        switch (argv[5]) {
            case "list" -> names(args[0]).forEach(System.out::println);
            case "get" -> get(args[0], args[1]);
            case "put" -> put(args[0], args[1]);
            case "getMany" -> {
                for (String name : names(args[0])) {
                    get(args[0] + "/" + name, args[1] + "/" + name);
                }
            }
            case "putMany" -> {
                for (Path file : Files.list(Path.of(args[0])).sorted().collect(Collectors.toList())) {
                    put(file.toString(), args[1] + "/" + file.getFileName());
                }
            }
            case "resumeGet" -> {
                ftp.setRestartOffset(Long.parseLong(args[2]));
                try (FileOutputStream out = new FileOutputStream(args[1], true)) {
                    must(ftp.retrieveFile(args[0], out), "resume");
                }
            }
            case "resumePut" -> {
                try (FileInputStream in = new FileInputStream(args[0])) {
                    in.skip(Long.parseLong(args[2]));
                    ftp.setRestartOffset(Long.parseLong(args[2]));
                    must(ftp.storeFile(args[1], in), "resume");
                }
            }
            case "abort" -> {
                var data = ftp.retrieveFileStream(args[0]);
                must(data != null && data.read() >= 0, "data");
                data.close();
                // The transfer and ABOR have one reply each.
                System.err.println("abort: " + ftp.abort() + " " + ftp.getReplyString());
                System.err.println("completed: " + ftp.completePendingCommand() + " " + ftp.getReplyString());
                get(args[2], args[3]);
            }
            default -> throw new IllegalArgumentException(argv[5]);
        }
        ftp.logout();
        ftp.disconnect();
    }

    private static void must(boolean ok, String what) throws IOException {
        if (!ok) {
            throw new IOException(what + ": " + ftp.getReplyString());
        }
    }

    private static List<String> names(String folder) throws IOException {
        return Arrays.stream(ftp.listFiles(folder)).map(FTPFile::getName).collect(Collectors.toList());
    }

    private static void get(String path, String file) throws IOException {
        try (FileOutputStream out = new FileOutputStream(file)) {
            must(ftp.retrieveFile(path, out), "get " + path);
        }
    }

    private static void put(String file, String path) throws IOException {
        try (FileInputStream in = new FileInputStream(file)) {
            must(ftp.storeFile(path, in), "put " + file);
        }
    }
}
