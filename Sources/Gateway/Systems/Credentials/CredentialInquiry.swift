/// One question after another until it is known what a token may do: which source knows it, which role it has there, what
/// that role's check says, which subjects its user has.
import Tracking

/// Asks. Lives on the loop's thread.
final class CredentialInquiry {
    private let configuration: SystemConfiguration
    /// Where tokens are looked up.
    let sources: ClaimSources
    /// Subjects of users, by statement.
    let subjects: [String: LookUp]

    init(_ configuration: SystemConfiguration, _ database: SystemDatabase?, _ jwt: JWTVerifier?) {
        self.configuration = configuration
        sources = ClaimSources(database: database, jwt: jwt)
        var subjects: [String: LookUp] = [:]
        for role in configuration.credentials.flatMap(\.roles.values) {
            guard let database, let statement = role.subjects else { continue }
            subjects[statement] = LookUp(database, statement: statement, parameter: "users", key: "user_id")
        }
        self.subjects = subjects
    }

    /// What asking came to.
    enum Finding {
        case good(source: Int, CredentialRole, CredentialDraft, subjects: [String]?)
        case refused
        case unavailable
    }

    /// Asks all sources in turn; `digest` is the token's SHA-256 in hexadecimal.
    func look(up token: String, _ digest: String, then: @escaping (Finding) -> Void) {
        look(up: token, digest, from: 0, isSure: true, then: then)
    }

    /// `isSure` is false once a source could not be asked: then nobody is refused.
    private func look(
        up token: String, _ digest: String, from index: Int, isSure: Bool, then: @escaping (Finding) -> Void
    ) {
        guard index < configuration.credentials.count else { return then(isSure ? .refused : .unavailable) }
        let source = configuration.credentials[index]
        sources.ask(source, token, digest) { [weak self] answer in
            guard let self else { return then(.unavailable) }
            switch answer {
            case .unknown: look(up: token, digest, from: index + 1, isSure: isSure, then: then)
            case .unavailable: look(up: token, digest, from: index + 1, isSure: false, then: then)
            case .known(let claims, let end): judge(claims, index, token, digest, end, then: then)
            }
        }
    }

    private func judge(
        _ claims: Claims, _ index: Int, _ token: String, _ digest: String, _ end: Microseconds?,
        then: @escaping (Finding) -> Void
    ) {
        let source = configuration.credentials[index]
        guard let role = source.role(of: claims) else { return then(.refused) }
        func draw(_ claims: Claims) {
            guard
                let draft = CredentialDraft(
                    claims, source, role, token: token, digest: digest, words: configuration.permissions, end: end)
            else { return then(.refused) }
            guard let statement = draft.subjects, let user = draft.user else {
                return then(.good(source: index, role, draft, subjects: nil))
            }
            guard let lookUp = subjects[statement] else { return then(.unavailable) }
            lookUp.find([user]) { answer in
                guard case .success(let found) = answer else { return then(.unavailable) }
                then(.good(source: index, role, draft, subjects: Self.names(found[user])))
            }
        }
        guard let check = role.check else { return draw(claims) }
        sources.check(claims, check, source) { more in
            guard let more else { return then(.unavailable) }
            guard let more else { return then(.refused) }
            var all = claims
            all.join(more)
            draw(all)
        }
    }

    /// The subjects in the rows of a user.
    static func names(_ rows: [LookUpRow]?) -> [String] {
        var seen: Set<String> = []
        return (rows ?? []).compactMap { $0["subject"] }.filter { seen.insert($0).inserted }.sorted()
    }
}
