/// Where a token is looked up: a statement, a key in Redis, or the token's own signed claims.
import Crypto
import EventLoop
import Foundation
import PostgresClient
import RedisClient
import Tracking

/// What a source says of a token.
enum ClaimAnswer {
    /// It knows the token; `end` is when the source itself lets go of it, in wall microseconds.
    case known(Claims, end: Microseconds?)
    /// It does not know it.
    case unknown
    /// It cannot be asked now.
    case unavailable
}

/// Asks the sources. Lives on the loop's thread.
final class ClaimSources {
    /// The longest opaque token in bytes that is asked about.
    static let maximumTokenBytes = 512
    /// The most bytes of a session in Redis that are read as JSON, and the most fields of a hash.
    private static let maximumSessionBytes = 64 << 10
    private static let maximumFields = 256

    private let database: SystemDatabase?
    private let jwt: JWTVerifier?
    /// The connection, while there is one.
    var redis: () -> RedisStore? = { nil }

    init(database: SystemDatabase?, jwt: JWTVerifier?) {
        (self.database, self.jwt) = (database, jwt)
    }

    /// Asks one source about a token whose SHA-256 in hexadecimal is `digest`; `then` is called once, perhaps at once.
    func ask(_ source: CredentialSource, _ token: String, _ digest: String, then: @escaping (ClaimAnswer) -> Void) {
        switch source.origin {
        case .jwt: then(verify(token, source))
        case .statement(let name):
            guard Self.isOpaque(token) else { return then(.unknown) }
            find(name, ["token": .text(token), "token_sha256": .text(digest)], source) { answer in
                then(answer.map { .known($0, end: nil) } ?? .unavailable)
            } none: {
                then(.unknown)
            }
        case .redis(let template):
            guard Self.isOpaque(token) else { return then(.unknown) }
            let key = template.replacingOccurrences(of: "{token_sha256}", with: digest)
                .replacingOccurrences(of: "{token}", with: token)
            read(key, source, then: then)
        }
    }

    /// Runs a role's check with claims as its parameters: what it adds to them, nothing where it refuses, nil where it
    /// cannot be asked.
    func check(_ claims: Claims, _ statement: String, _ source: CredentialSource, then: @escaping (Claims??) -> Void) {
        var parameters: [String: SystemParameter] = [:]
        for name in database?.parameters(of: statement) ?? [] { parameters[name] = .text(claims.text(name)) }
        find(statement, parameters, source) {
            then($0.map { .some($0) })
        } none: {
            then(.some(nil))
        }
    }

    /// Without control characters, and not longer than anybody's tokens are: anything else is in nobody's tables.
    private static func isOpaque(_ token: String) -> Bool {
        (1...maximumTokenBytes).contains(token.utf8.count) && token.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    }

    // MARK: JWT

    private func verify(_ token: String, _ source: CredentialSource) -> ClaimAnswer {
        guard JWTVerifier.looksLikeJWT(token), let jwt,
            let verified = jwt.claims(of: token, now: SystemClock.wallMicroseconds()),
            case .object(var members) = verified.document
        else { return .unknown }
        // Its name for logs, unless the platform's file maps another claim; its end is what was verified.
        if source.claims["id"] == nil { members["id"] = .string(String(verified.id.dropFirst("jwt:".count))) }
        members["expires_at"] = nil
        let names = source.claims.filter { $0.key != "expires_at" }
        return .known(Claims(members, names: names), end: verified.expiresAt)
    }

    // MARK: SQL

    private func find(
        _ statement: String, _ parameters: [String: SystemParameter], _ source: CredentialSource,
        then: @escaping (Claims?) -> Void, none: @escaping () -> Void
    ) {
        guard let database else { return then(nil) }
        database.run(statement, parameters) { answer in
            switch answer {
            case .success(let rows):
                guard let row = rows.lookUpRows.first else { return none() }
                var values: [String: JSONDocument] = [:]
                for name in row.names { values[name] = row[name].map { .string($0) } ?? .null }
                then(Claims(values, names: source.claims))
            case .failure(let error):
                // A token that cannot be cast to the column's type is in no row of it.
                if error.kind == .data { none() } else { then(nil) }
            }
        }
    }

    // MARK: Redis

    private func read(_ key: String, _ source: CredentialSource, then: @escaping (ClaimAnswer) -> Void) {
        guard let redis = redis(), redis.isReady else { return then(.unavailable) }
        var values: [String: JSONDocument]?
        var isHash = false
        var isLost = false
        redis.send(["GET", key]) { reply in
            switch reply {
            case .bytes(let bytes): values = Self.session(bytes)
            case .error(let text) where text.hasPrefix("WRONGTYPE"): isHash = true
            case .null: break
            default: isLost = true
            }
        }
        redis.send(["PTTL", key]) { reply in
            guard !isLost, case .integer(let left) = reply else { return then(.unavailable) }
            // -2: it is gone; -1: it has no end.
            guard left != -2 else { return then(.unknown) }
            let end = left >= 0 ? SystemClock.wallMicroseconds() + left * 1_000 : nil
            func tell(_ values: [String: JSONDocument]?) {
                then(values.map { .known(Claims($0, names: source.claims), end: end) } ?? .unknown)
            }
            guard isHash else { return tell(values) }
            redis.send(["HGETALL", key]) { reply in
                switch reply {
                case .array(let elements): tell(Self.fields(elements))
                case .error: then(.unknown)
                default: then(.unavailable)
                }
            }
        }
    }

    private static func session(_ bytes: [UInt8]) -> [String: JSONDocument]? {
        guard bytes.count <= maximumSessionBytes, case .object(let members)? = JSONDocument(bytes.span) else {
            return nil
        }
        return members
    }

    private static func fields(_ elements: [RedisReply]) -> [String: JSONDocument]? {
        guard !elements.isEmpty, elements.count <= maximumFields * 2 else { return nil }
        var fields: [String: JSONDocument] = [:]
        for index in stride(from: 0, to: elements.count - 1, by: 2) {
            if let name = elements[index].text, let value = elements[index + 1].text { fields[name] = .string(value) }
        }
        return fields
    }
}
