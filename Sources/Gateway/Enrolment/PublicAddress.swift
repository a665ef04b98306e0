/// Where this gateway is for others: what stands before the path in links that are given away.
import WebServer

/// `web.public_url`, or else the scheme and `Host` of the request.
struct PublicAddress {
    /// Without a slash at the end, such as `https://drover.example.org`.
    let text: String

    init(_ configuration: Configuration, _ request: WebRequest) {
        var text = configuration.webPublicURL
        if text.isEmpty {
            let scheme = configuration.webTLSCertificate.isEmpty ? "http" : "https"
            text = "\(scheme)://\(request.headers["host"] ?? configuration.listen)"
        }
        while text.hasSuffix("/") { text.removeLast() }
        self.text = text
    }
}
