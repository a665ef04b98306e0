/// Where a request carries its credential (API.md, "Credentials come as").
import Foundation
import WebServer

/// The token of a request.
enum PresentedToken {
    /// None of the carriers is there.
    case none
    /// One token, perhaps carried twice.
    case one(String)
    /// Two carriers that differ.
    case conflicting

    /// Reads all carriers: `Authorization: Bearer` and `Basic` (the name is a label), `X-Api-Key`, `?token=`,
    /// `?api_key=`, and the WebSocket subprotocol `bearer.TOKEN`.
    init(_ request: WebRequest) {
        var tokens: [String] = []
        if let authorization = request.headers["authorization"] {
            let parts = authorization.split(separator: " ", maxSplits: 1)
            switch (parts.first?.lowercased(), parts.count) {
            case ("bearer", 2): tokens.append(parts[1].trimmingCharacters(in: .whitespaces))
            case ("basic", 2): tokens.append(Self.basic(String(parts[1])))
            default: tokens.append("")
            }
        }
        if let key = request.headers["x-api-key"] { tokens.append(key) }
        if let token = request.query("token") { tokens.append(token) }
        if let key = request.query("api_key") { tokens.append(key) }
        for subprotocol in request.subprotocols where subprotocol.hasPrefix("bearer.") {
            tokens.append(String(subprotocol.dropFirst("bearer.".count)))
        }
        guard let first = tokens.first else {
            self = .none
            return
        }
        self = tokens.allSatisfy { $0 == first } ? .one(first) : .conflicting
    }

    /// The token of Basic credentials (RFC 7617), the password; empty where there is none. Overland's "Owntracks" mode sends
    /// the bare token, with a colon behind it in older versions, instead of base64: none of ours can be taken for base64,
    /// since each has a `_` or a `.`.
    private static func basic(_ credentials: String) -> String {
        guard let data = Data(base64Encoded: credentials) else {
            return credentials.hasSuffix(":") ? String(credentials.dropLast()) : credentials
        }
        let pair = String(decoding: data, as: UTF8.self)
        return pair.firstIndex(of: ":").map { String(pair[pair.index(after: $0)...]) } ?? ""
    }
}
