/// Which web pages may open WebSockets and read replies here (RFC 6454; the Fetch standard's CORS protocol). Only browsers
/// send `Origin`, and a page cannot forge it; whoever sends none is not kept out by this.

/// The origins of other hosts' pages that are let in.
public struct AllowedOrigins: Sendable {
    /// Why a list cannot be read.
    public struct ParseError: Error, CustomStringConvertible {
        /// Which setting, what is wrong and how it is right.
        public let description: String
    }

    private var origins: Set<String> = []
    private(set) var isAny = false

    /// No page but the server's own.
    public init() {}

    /// Reads a list separated by commas, such as `https://shop.example.com`, or `*`. `setting` is its name, for the
    /// error.
    public init(_ list: String, setting: String) throws(ParseError) {
        for item in list.split(separator: ",") {
            let text = item.filter { $0 != " " }.lowercased()
            guard !text.isEmpty else { continue }
            if text == "*" {
                isAny = true
            } else {
                let variable = "DROVER_" + setting.uppercased().replacing(".", with: "_")
                guard let authority = Self.authority(of: text), !authority.contains(where: { "/?#@*".contains($0) })
                else {
                    throw ParseError(
                        description: "\(setting): \"\(text)\" is not an origin such as https://shop.example.com, "
                            + "without a path. Correct it in the configuration file or in \(variable)")
                }
                origins.insert(text)
            }
        }
    }

    /// How an origin stands to this server.
    enum Standing {
        /// There is none: not a browser, or one that asks its own host.
        case absent
        case same
        case listed
        case foreign
    }

    func standing(of origin: String?, host: String?) -> Standing {
        guard let origin = origin?.lowercased() else { return .absent }
        if let authority = Self.authority(of: origin), let host = host?.lowercased(), !host.isEmpty {
            // Which scheme the client used, a proxy may have hidden: a default port is none on either side.
            let port = origin.hasPrefix("https:") ? ":443" : ":80"
            if authority.withoutSuffix(port) == host.withoutSuffix(port) { return .same }
        }
        return isAny || origins.contains(origin) ? .listed : .foreign
    }

    /// The headers that let the page read a reply.
    func headers(for origin: String?, host: String?) -> [(String, String)] {
        guard isAny || !origins.isEmpty else { return [] }
        let vary = isAny ? [] : [("Vary", "Origin")]
        guard let origin, standing(of: origin, host: host) == .listed else { return vary }
        return vary + [
            ("Access-Control-Allow-Origin", isAny ? "*" : origin),
            ("Access-Control-Expose-Headers", "Retry-After, RateLimit, RateLimit-Policy, ETag, Location"),
        ]
    }

    /// What a browser asks for before a request that a plain form could not have made.
    static let preflightHeaders = [
        ("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE"),
        (
            "Access-Control-Allow-Headers",
            "Authorization, Content-Type, X-Api-Key, Last-Event-ID, If-None-Match"
        ),
        ("Access-Control-Max-Age", "600"),
    ]

    /// What stands behind the scheme; nil where there is no scheme.
    private static func authority(of origin: String) -> String? {
        guard let separator = origin.firstRange(of: "://"), separator.lowerBound != origin.startIndex,
            separator.upperBound != origin.endIndex
        else { return nil }
        return String(origin[separator.upperBound...])
    }
}

extension String {
    fileprivate func withoutSuffix(_ suffix: String) -> Substring {
        hasSuffix(suffix) ? dropLast(suffix.count) : self[...]
    }
}

extension WebResponse {
    /// Adds what every reply carries: nothing is guessed from its content, no address leaks to other sites, and what may
    /// hold data or tokens is kept by no cache unless the reply says otherwise.
    mutating func secure(isEncrypted: Bool) {
        var isCached = false
        var isSniffed = false
        var isReferred = false
        for (name, _) in headers {
            switch name {
            case "Cache-Control": isCached = true
            case "X-Content-Type-Options": isSniffed = true
            case "Referrer-Policy": isReferred = true
            default: break
            }
        }
        if !isCached { headers.append(("Cache-Control", "no-store")) }
        if !isSniffed { headers.append(("X-Content-Type-Options", "nosniff")) }
        if !isReferred { headers.append(("Referrer-Policy", "no-referrer")) }
        // RFC 6797; half a year.
        if isEncrypted { headers.append(("Strict-Transport-Security", "max-age=15552000")) }
    }
}
