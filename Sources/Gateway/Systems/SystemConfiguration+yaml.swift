/// Reads the section `system` of a configuration file. Every error names the line and what is expected there.
import Foundation
import Tracking
import Yams

extension SystemConfiguration {
    /// Reads the section. `file` is for messages.
    init(_ node: Node, file: String) throws {
        self.init()
        let section = try SystemSection(node, "system", file: file)
        try section.allow([
            "name", "postgres_url", "search_path", "words", "statements", "credentials", "permissions", "look_ups",
            "writes", "incoming", "provision",
        ])
        name = try section.text("name") ?? ""
        postgresURL = try section.text("postgres_url") ?? ""
        searchPath = try section.text("search_path") ?? "public"
        provision = try section.text("provision") ?? ""
        if let words = try section.section("words") { self.words = try Words(words) }
        for statement in try section.sections("statements") {
            statements[statement.name] = try NamedStatement(statement)
        }
        if let permissions = try section.section("permissions") { try read(permissions: permissions) }
        for source in try section.list("credentials") {
            credentials.append(try CredentialSource(source, statements))
        }
        try read(lookUps: section)
        for write in try section.sections("writes") { try read(write: write) }
        for webhook in try section.sections("incoming") {
            incoming[webhook.name] = IncomingWebhook(members: try webhook.scalars())
        }
    }

    private mutating func read(permissions: SystemSection) throws {
        for word in permissions.names {
            self.permissions[word] = try permissions.permissions(word) ?? []
        }
    }

    private mutating func read(lookUps section: SystemSection) throws {
        guard let section = try section.section("look_ups") else { return }
        try section.allow(LookUpPurpose.allCases.map(\.rawValue))
        for purpose in LookUpPurpose.allCases {
            lookUps[purpose] = try section.statement(purpose.rawValue, statements, with: [purpose.parameter])
        }
    }

    private mutating func read(write section: SystemSection) throws {
        guard let purpose = WritePurpose(rawValue: section.name) else {
            throw section.error(
                "\(section.name) is one of \(WritePurpose.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        try section.allow(["statement", "every_s", "row"])
        guard let statement = try section.statement("statement", statements, with: purpose.parameters) else {
            throw section.error("\(section.path) needs a statement")
        }
        var write = SystemWrite(statement: statement)
        write.everySeconds = try section.integer("every_s", 1...86_400) ?? write.everySeconds
        write.row = try section.text("row") ?? ""
        if !write.row.isEmpty, let use = purpose.layoutUse {
            do throws(FieldLayoutError) {
                _ = try FieldLayout(write.row, for: use)
            } catch {
                throw section.error("\(section.path).row: \(error.description)")
            }
        } else if !write.row.isEmpty {
            throw section.error("\(section.path) has rows of its own: leave row out")
        }
        writes[purpose] = write
    }
}

extension WritePurpose {
    /// What the layout of its rows may hold; nil where the rows are always the same.
    fileprivate var layoutUse: FieldLayout.Use? {
        switch self {
        case .positions: .row
        case .events: .event
        case .seen, .watched, .changed, .eraseDriver, .eraseCustomer: nil
        }
    }
}

extension Words {
    fileprivate init(_ section: SystemSection) throws {
        try section.allow(["driver", "order", "group"])
        driver = try section.word("driver") ?? driver
        order = try section.word("order") ?? order
        group = try section.word("group") ?? group
    }
}

extension NamedStatement {
    fileprivate init(_ section: SystemSection) throws {
        try section.allow(["sql", "cache_s", "changes"])
        guard let text = try section.text("sql") else { throw section.error("\(section.path) needs sql") }
        self.init(name: section.name, text: text)
        cacheSeconds = try section.integer("cache_s", 0...86_400) ?? cacheSeconds
        changes =
            try section.texts("changes")?.map { text in
                guard let table = WatchedTable(text) else {
                    throw section.error(
                        "\(section.path).changes holds tables such as orders or \"orders(status)\", not \(text)")
                }
                return table
            } ?? []
    }
}

extension CredentialSource {
    private static let claimNames = [
        "id", "user", "role", "expires_at", "driver", "permissions", "subjects", "rate_limit", "active",
    ]

    fileprivate init(_ section: SystemSection, _ statements: [String: NamedStatement]) throws {
        try section.allow(["name", "statement", "redis", "jwt", "claims", "role", "active", "roles"])
        guard let name = try section.text("name"), !name.isEmpty else {
            throw section.error("\(section.path) needs a name")
        }
        self.name = name
        var origins: [Origin] = []
        if let statement = try section.statement("statement", statements, with: ["token", "token_sha256"]) {
            origins.append(.statement(statement))
        }
        if let key = try section.text("redis") {
            guard key.components(separatedBy: "{token}").count == 2 else {
                throw section.error("\(section.path).redis is a key that holds {token} once")
            }
            origins.append(.redis(key))
        }
        if try section.flag("jwt") == true { origins.append(.jwt) }
        guard origins.count == 1 else {
            throw section.error("\(section.path) needs one of statement, redis and jwt: true")
        }
        origin = origins[0]
        if let claims = try section.section("claims") {
            try claims.allow(Self.claimNames)
            for claim in claims.names { self.claims[claim] = try claims.text(claim) }
        }
        role = try section.text("role")
        if let active = try section.text("active") {
            requiresActive = true
            claims["active"] = active
        }
        for entry in try section.sections("roles") { roles[entry.name] = try CredentialRole(entry, statements) }
        guard !roles.isEmpty else { throw section.error("\(section.path) needs roles") }
        if let role, roles[role] == nil { throw section.error("\(section.path).role is none of its roles") }
    }
}

extension CredentialRole {
    fileprivate init(_ section: SystemSection, _ statements: [String: NamedStatement]) throws {
        try section.allow(["party", "permissions", "subjects", "driver", "check"])
        guard let party = try section.text("party").flatMap(Party.init(rawValue:)) else {
            throw section.error("\(section.path).party is device, viewer or backend")
        }
        self.party = party
        permissions = try section.permissions("permissions")
        subjects = try section.statement("subjects", statements, with: ["users"])
        driver = try section.text("driver") ?? driver
        check = try section.statement("check", statements, with: nil)
    }
}
