/// A map of a platform's file, read strictly: what is not known, and what is of another kind, is an error with its line.
import Foundation
import Tracking
import Yams

/// One map of the section `system`.
struct SystemSection {
    /// Its own name, and the names on the way to it.
    let name: String
    let path: String
    private let file: String
    private let node: Node
    private let members: [(name: String, node: Node)]

    init(_ node: Node, _ path: String, file: String) throws {
        name = path.split(separator: ".").last.map(String.init) ?? path
        self.path = path
        self.file = file
        self.node = node
        guard let mapping = node.mapping else {
            throw Self.error("\(path) is a map", at: node, file: file)
        }
        members = mapping.map { ($0.key.scalar?.string ?? "", $0.value) }
    }

    /// The names of its members, in order.
    var names: [String] { members.map(\.name) }

    /// An error in this map.
    func error(_ text: String) -> ConfigurationError { Self.error(text, at: node, file: file) }

    private static func error(_ text: String, at node: Node, file: String) -> ConfigurationError {
        ConfigurationError(description: "\(file)\(node.mark.map { ":\($0.line)" } ?? ""): \(text)")
    }

    private func error(_ text: String, at member: Node) -> ConfigurationError {
        Self.error(text, at: member, file: file)
    }

    private subscript(name: String) -> Node? { members.first { $0.name == name }?.node }

    /// Refuses members that nobody reads.
    func allow(_ known: [String]) throws {
        for member in members where !known.contains(member.name) {
            throw error(
                "\(path) has no \(member.name); it may have \(known.joined(separator: ", "))", at: member.node)
        }
    }

    /// A text; nil where it is not there.
    func text(_ name: String) throws -> String? {
        guard let node = self[name] else { return nil }
        guard let text = node.scalar?.string else { throw error("\(path).\(name) is one value", at: node) }
        return text
    }

    /// A whole number.
    func integer(_ name: String, _ range: ClosedRange<Int>) throws -> Int? {
        guard let text = try text(name) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw error(
                "\(path).\(name) is a whole number from \(range.lowerBound) to \(range.upperBound), not \(text)",
                at: self[name] ?? node)
        }
        return number
    }

    /// A truth value.
    func flag(_ name: String) throws -> Bool? {
        guard let text = try text(name) else { return nil }
        switch text.lowercased() {
        case "true", "yes", "on": return true
        case "false", "no", "off": return false
        default: throw error("\(path).\(name) is true or false, not \(text)", at: self[name] ?? node)
        }
    }

    /// A list of texts; a single text is a list of one.
    func texts(_ name: String) throws -> [String]? {
        guard let node = self[name] else { return nil }
        if let text = node.scalar?.string { return [text] }
        guard let sequence = node.sequence else { throw error("\(path).\(name) is a list", at: node) }
        return try sequence.map { element in
            guard let text = element.scalar?.string else {
                throw error("\(path).\(name) is a list of texts", at: element)
            }
            return text
        }
    }

    /// Drover's permissions.
    func permissions(_ name: String) throws -> Set<Permission>? {
        guard let texts = try texts(name) else { return nil }
        return Set(
            try texts.map { text in
                guard let permission = Permission(rawValue: text) else {
                    let known = Permission.allCases.map(\.rawValue).joined(separator: ", ")
                    throw error(
                        "\(path).\(name): no permission is called \(text); there are \(known)", at: self[name] ?? node)
                }
                return permission
            })
    }

    /// One word and its plural, such as rider/riders.
    func word(_ name: String) throws -> Words.Word? {
        guard let text = try text(name) else { return nil }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        func isWord(_ part: String) -> Bool {
            (1...32).contains(part.utf8.count) && part.utf8.allSatisfy { $0 == 45 || (97...122).contains($0) }
        }
        guard parts.count == 2, parts.allSatisfy(isWord), parts[0] != parts[1] else {
            throw error(
                "\(path).\(name) is one/many in small letters, such as rider/riders, not \(text)",
                at: self[name] ?? node)
        }
        return Words.Word(one: parts[0], many: parts[1])
    }

    /// The name of a statement whose parameters are among `known`; nil is any.
    func statement(_ name: String, _ statements: [String: NamedStatement], with known: [String]?) throws -> String? {
        guard let text = try text(name) else { return nil }
        guard let statement = statements[text] else {
            throw error("\(path).\(name): no statement is called \(text)", at: self[name] ?? node)
        }
        if let known, let other = statement.parameters.first(where: { !known.contains($0) }) {
            let may = known.isEmpty ? "it may have none" : "it may have {\(known.joined(separator: "}, {"))}"
            throw error("\(path).\(name): \(text) has the parameter {\(other)}; \(may)", at: self[name] ?? node)
        }
        return text
    }

    /// A map in this map.
    func section(_ name: String) throws -> SystemSection? {
        try self[name].map { try SystemSection($0, "\(path).\(name)", file: file) }
    }

    /// The maps in a map, in order.
    func sections(_ name: String) throws -> [SystemSection] {
        guard let node = self[name] else { return [] }
        let section = try SystemSection(node, "\(path).\(name)", file: file)
        return try section.members.map { try SystemSection($0.node, "\(section.path).\($0.name)", file: file) }
    }

    /// The maps of a list, in order.
    func list(_ name: String) throws -> [SystemSection] {
        guard let node = self[name] else { return [] }
        guard let sequence = node.sequence else { throw error("\(path).\(name) is a list", at: node) }
        return try sequence.enumerated().map { try SystemSection($1, "\(path).\(name)[\($0)]", file: file) }
    }

    /// Every scalar below this map, by its path from here.
    func scalars() throws -> [String: String] {
        var found: [String: String] = [:]
        for (name, node) in members {
            if let text = node.scalar?.string {
                found[name] = text
            } else {
                for (inner, text) in try SystemSection(node, "\(path).\(name)", file: file).scalars() {
                    found["\(name).\(inner)"] = text
                }
            }
        }
        return found
    }
}
