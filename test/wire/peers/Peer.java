// Java's own client: `java Peer.java HTTPS_URL H2_URL`. It prints a line for each answer.
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509ExtendedTrustManager;

public class Peer {
    static class Trusting extends X509ExtendedTrustManager {
        public void checkClientTrusted(X509Certificate[] chain, String type) {}
        public void checkServerTrusted(X509Certificate[] chain, String type) {}
        public void checkClientTrusted(X509Certificate[] chain, String type, Socket socket) {}
        public void checkServerTrusted(X509Certificate[] chain, String type, Socket socket) {}
        public void checkClientTrusted(X509Certificate[] chain, String type, SSLEngine engine) {}
        public void checkServerTrusted(X509Certificate[] chain, String type, SSLEngine engine) {}
        public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
    }

    public static void main(String[] args) throws Exception {
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, new TrustManager[] { new Trusting() }, null);
        HttpClient client = HttpClient.newBuilder().sslContext(context).build();
        for (HttpClient.Version version : HttpClient.Version.values()) {
            HttpRequest get = HttpRequest.newBuilder(URI.create(args[0] + "/small")).version(version).build();
            HttpResponse<String> answer = client.send(get, HttpResponse.BodyHandlers.ofString());
            System.out.println(answer.version() + " " + answer.statusCode() + " " + answer.body());
        }
        byte[] body = new byte[2_000_000];
        HttpRequest post = HttpRequest.newBuilder(URI.create(args[0] + "/echo"))
            .POST(HttpRequest.BodyPublishers.ofByteArray(body)).build();
        List<CompletableFuture<HttpResponse<byte[]>>> answers = new ArrayList<>();
        for (int n = 0; n < 20; n++) answers.add(client.sendAsync(post, HttpResponse.BodyHandlers.ofByteArray()));
        long bytes = 0;
        for (CompletableFuture<HttpResponse<byte[]>> answer : answers) bytes += answer.join().body().length;
        System.out.println("echoed " + bytes);
    }
}
