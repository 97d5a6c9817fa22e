package iotlab;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import javax.xml.parsers.ParserConfigurationException;
import javax.xml.parsers.SAXParserFactory;
import org.xml.sax.Attributes;
import org.xml.sax.SAXException;
import org.xml.sax.SAXParseException;
import org.xml.sax.helpers.DefaultHandler;

/**
 * Brings a folder of models to the engine: {@code Deploy URL USER PASSWORD_FILE FOLDER}.
 *
 * <p>It waits for the engine and may be run again at any time: a model that did not change makes no new version. Exit code 2
 * means that a model does not parse, so that trying again is useless; each fault is a line with file, line, column and element.
 */
public final class Deploy {
    private static final int WAIT_S = 600;
    private static final int REFUSED = 2;
    private static final String NAME = "iotlab";
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final HttpClient CLIENT = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build();

    private final String url;
    private final String authorization;

    private Deploy(String url, String user, Path passwordFile) throws IOException {
        this.url = url;
        String pair = user + ":" + Files.readString(passwordFile).strip();
        authorization = "Basic " + Base64.getEncoder().encodeToString(pair.getBytes(StandardCharsets.UTF_8));
    }

    public static void main(String[] arguments) throws Exception {
        Deploy deploy = new Deploy(arguments[0], arguments[1], Path.of(arguments[2]));
        deploy.waitForEngine();
        List<Path> models;
        try (Stream<Path> files = Files.list(Path.of(arguments[3]))) {
            models = files.filter(file -> file.getFileName().toString().matches("[^.].*\\.(bpmn|dmn|form)")).sorted().toList();
        }
        List<String> malformed = models.stream().filter(Deploy::isXml).flatMap(model -> malformed(model).stream()).toList();
        if (!malformed.isEmpty()) {
            malformed.forEach(System.out::println);
            System.exit(REFUSED);
        }
        HttpResponse<String> answer = deploy.send(models);
        if (answer.statusCode() != 200) {
            List<String> faults = faults(answer.body());
            faults.forEach(System.out::println);
            if (faults.isEmpty()) {
                System.out.println("the engine refused the deployment with " + answer.statusCode() + ": " + answer.body());
            }
            System.exit(faults.isEmpty() ? 1 : REFUSED);
        }
        JsonNode made = JSON.readTree(answer.body()).path("deployedProcessDefinitions");
        made.forEach(definition -> System.out.println(definition.path("key").asText() + ": version " + definition.path("version").asInt()));
        System.out.println(models.size() + " models are as the chart says, " + made.size() + " of them new");
    }

    private static boolean isXml(Path model) {
        return !model.getFileName().toString().endsWith(".form");
    }

    /** Where a file is no XML: the engine would say only that it is none. */
    private static Optional<String> malformed(Path model) {
        String[] last = {"no element"};
        DefaultHandler reader = new DefaultHandler() {
            @Override
            public void startElement(String uri, String name, String qualified, Attributes attributes) {
                last[0] = "element " + Optional.ofNullable(attributes.getValue("id")).orElse(qualified);
            }
        };
        try {
            SAXParserFactory parsers = SAXParserFactory.newInstance();
            parsers.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
            parsers.newSAXParser().parse(model.toFile(), reader);
            return Optional.empty();
        } catch (SAXParseException fault) {
            return Optional.of(fault(model.getFileName().toString(), fault.getLineNumber(), fault.getColumnNumber(), last[0], fault.getMessage()));
        } catch (SAXException | ParserConfigurationException | IOException unreadable) {
            throw new IllegalStateException(model + " cannot be read: " + unreadable, unreadable);
        }
    }

    private static String fault(String file, int line, int column, String element, String message) {
        return file + ", line " + line + ", column " + column + ", " + element + ": " + message.replaceAll("\\s+", " ");
    }

    private HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create(url + path)).timeout(Duration.ofSeconds(60)).header("Authorization", authorization);
    }

    private void waitForEngine() throws InterruptedException {
        long end = System.nanoTime() + WAIT_S * 1_000_000_000L;
        String last = "";
        while (System.nanoTime() < end) {
            String said;
            try {
                int status = CLIENT.send(request("/version").GET().build(), HttpResponse.BodyHandlers.discarding()).statusCode();
                if (status == 200) {
                    return;
                }
                said = "it answers " + status;
            } catch (IOException notYet) {
                said = "it does not answer";
            }
            if (!said.equals(last)) {
                System.out.println("waiting for the engine at " + url + ": " + said);
                last = said;
            }
            Thread.sleep(1000);
        }
        throw new IllegalStateException("the engine at " + url + " was not ready within " + WAIT_S + " s: " + last);
    }

    private HttpResponse<String> send(List<Path> models) throws IOException, InterruptedException {
        String boundary = "iotlab-models-4f1c9d";
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        field(body, boundary, "deployment-name", NAME);
        field(body, boundary, "enable-duplicate-filtering", "true");
        field(body, boundary, "deploy-changed-only", "true");
        for (Path model : models) {
            String name = model.getFileName().toString();
            write(body, "--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + name + "\"; filename=\"" + name
                    + "\"\r\nContent-Type: application/octet-stream\r\n\r\n");
            body.write(Files.readAllBytes(model));
            write(body, "\r\n");
        }
        write(body, "--" + boundary + "--\r\n");
        HttpRequest asked = request("/deployment/create")
                .header("Content-Type", "multipart/form-data; boundary=" + boundary)
                .POST(HttpRequest.BodyPublishers.ofByteArray(body.toByteArray()))
                .build();
        return CLIENT.send(asked, HttpResponse.BodyHandlers.ofString());
    }

    private static void field(ByteArrayOutputStream body, String boundary, String name, String value) {
        write(body, "--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n");
    }

    private static void write(ByteArrayOutputStream body, String text) {
        try {
            body.write(text.getBytes(StandardCharsets.UTF_8));
        } catch (IOException never) {
            throw new UncheckedIOException(never);
        }
    }

    /** The engine's words about models that do not parse, one line a fault; empty if it refused for another reason. */
    private static List<String> faults(String answer) {
        List<String> lines = new ArrayList<>();
        JsonNode details;
        try {
            details = JSON.readTree(answer).path("details");
        } catch (IOException other) {
            return lines;
        }
        details.properties().forEach(file -> file.getValue().path("errors").forEach(error -> {
            String element = error.path("mainElementId").asText("");
            boolean none = element.isEmpty() || element.equals("null");
            lines.add(fault(
                    file.getKey(), error.path("line").asInt(), error.path("column").asInt(),
                    none ? "no element" : "element " + element, error.path("message").asText()));
        }));
        return lines;
    }
}
