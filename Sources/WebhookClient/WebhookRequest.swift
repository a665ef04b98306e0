/// What is posted to another system, and what came of it.

/// A POST.
public struct WebhookRequest: Sendable {
    /// `http://` or `https://`.
    public var url: String
    /// By name; `Content-Type` among them.
    public var headers: [(name: String, value: String)]
    /// The body.
    public var body: [UInt8]
    /// For the whole exchange, name resolution and TLS included, in milliseconds.
    public var timeoutMilliseconds: Int

    /// A request of its parts.
    public init(
        url: String, headers: [(name: String, value: String)], body: [UInt8], timeoutMilliseconds: Int
    ) {
        self.url = url
        self.headers = headers
        self.body = body
        self.timeoutMilliseconds = timeoutMilliseconds
    }
}

/// What came of a request.
public enum WebhookOutcome: Sendable, Equatable {
    /// The receiver answered with 2xx: it has it.
    case taken
    /// It answered with another status; the text is the beginning of what it said, on one line.
    case refused(status: Int, text: String)
    /// It did not answer. The text says why, in libcurl's words.
    case unreachable(String)
    /// `WebhookClient.cancel` ended it: whether the receiver has it is not known.
    case cancelled

    /// One line for logs; nil where all is well.
    public var problem: String? {
        switch self {
        case .taken: nil
        case .refused(let status, let text): "the receiver answered \(status)" + (text.isEmpty ? "" : ": \(text)")
        case .unreachable(let reason): reason
        case .cancelled: "ended while the receiver was being told"
        }
    }
}
