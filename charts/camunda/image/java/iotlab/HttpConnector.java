package iotlab;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import org.operaton.connect.ConnectorRequestException;
import org.operaton.connect.impl.AbstractConnector;
import org.operaton.connect.impl.AbstractConnectorRequest;
import org.operaton.connect.impl.AbstractConnectorResponse;
import org.operaton.connect.spi.Connector;
import org.operaton.connect.spi.ConnectorProvider;
import org.operaton.connect.spi.ConnectorRequest;

/**
 * The {@code http-connector} of the lessons' models: in go url, method, headers and payload, out come statusCode, response and
 * headers. The engine's own, which rests on another HTTP client, is not served by every mirror of Maven's repository.
 */
final class HttpConnector extends AbstractConnector<HttpConnector.Request, HttpConnector.Answer> {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private final HttpClient client = HttpClient.newBuilder().connectTimeout(PATIENCE).followRedirects(HttpClient.Redirect.NORMAL).build();

    private HttpConnector() {
        super("http-connector");
    }

    /** How the engine finds it: named in META-INF/services. */
    public static final class Provider implements ConnectorProvider {
        @Override
        public String getConnectorId() {
            return "http-connector";
        }

        @Override
        public Connector<?> createConnectorInstance() {
            return new HttpConnector();
        }
    }

    /** What is asked. */
    static final class Request extends AbstractConnectorRequest<Answer> {
        @SuppressWarnings("unchecked")
        Request(HttpConnector connector) {
            super((Connector<ConnectorRequest<Answer>>) (Connector<?>) connector);
        }
    }

    /** What came back. */
    static final class Answer extends AbstractConnectorResponse {
        private final HttpResponse<String> http;

        Answer(HttpResponse<String> http) {
            this.http = http;
        }

        @Override
        protected void collectResponseParameters(Map<String, Object> found) {
            Map<String, String> headers = new LinkedHashMap<>();
            http.headers().map().forEach((name, values) -> headers.put(name, String.join(",", values)));
            found.put("statusCode", http.statusCode());
            found.put("response", http.body());
            found.put("headers", headers);
        }
    }

    @Override
    public Request createRequest() {
        return new Request(this);
    }

    @Override
    public Answer execute(Request request) {
        String url = request.getRequestParameter("url");
        String method = request.getRequestParameter("method");
        String payload = request.getRequestParameter("payload");
        Map<String, Object> headers = request.getRequestParameter("headers");
        if (url == null || method == null) {
            throw new ConnectorRequestException("http-connector: the model gives no url or no method");
        }
        var body = payload == null ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofString(payload);
        try {
            HttpRequest.Builder asked = HttpRequest.newBuilder(URI.create(url.strip())).timeout(PATIENCE).method(method.strip().toUpperCase(), body);
            if (headers != null) {
                headers.forEach((name, value) -> asked.header(name, String.valueOf(value)));
            }
            return new Answer(client.send(asked.build(), HttpResponse.BodyHandlers.ofString()));
        } catch (IOException | IllegalArgumentException failed) {
            throw new ConnectorRequestException("http-connector: " + method + " " + url + " failed: " + failed, failed);
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
            throw new ConnectorRequestException("http-connector: the engine stops", stopped);
        }
    }
}
