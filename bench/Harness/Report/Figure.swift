/// One figure: what was measured, beside its floor, and the goal that it answers to.

struct Figure: Codable, Equatable {
    /// Which scenario it belongs to.
    var scenario: String
    /// What was measured.
    var what: String
    var unit: String
    var measured: Double
    /// The floor or the peer that it is compared with, in the same unit.
    var floor: Double?
    /// The goal's id in `Goals`; nil where it is a detail.
    var goal: String?
    /// Whether more is better.
    var isHigherBetter = false
    /// The generator or the machine was the limit in one of its runs: it says nothing about the gateway.
    var isVoid = false

    var ratio: Double? { floor.flatMap { $0 > 0 ? measured / $0 : nil } }

    /// Nil where it has no goal.
    var isReached: Bool? { goal.flatMap(Goals.named)?.isReached(by: self) }

    /// The measured value and its unit, as a table shows it.
    var measuredText: String {
        significant(measured) + (unit.isEmpty ? "" : " \(unit)")
    }

    /// The same of the floor; empty without one.
    var floorText: String {
        guard let floor else { return "" }
        var copy = self
        copy.measured = floor
        return copy.measuredText
    }

    var ratioText: String { ratio.map { decimals($0, 2) + " ×" } ?? "" }

    private enum CodingKeys: String, CodingKey {
        case scenario, what, unit, measured, floor, goal, ratio, limit, reached
        case isHigherBetter = "higher_is_better"
        case isVoid = "void"
    }
}

extension Figure {
    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        scenario = try values.decode(String.self, forKey: .scenario)
        what = try values.decode(String.self, forKey: .what)
        unit = try values.decode(String.self, forKey: .unit)
        measured = try values.decode(Double.self, forKey: .measured)
        floor = try values.decodeIfPresent(Double.self, forKey: .floor)
        goal = try values.decodeIfPresent(String.self, forKey: .goal)
        isHigherBetter = try values.decodeIfPresent(Bool.self, forKey: .isHigherBetter) ?? false
        isVoid = try values.decodeIfPresent(Bool.self, forKey: .isVoid) ?? false
    }

    /// Ratio, limit and whether it is reached go with it, for readers that do not know the goals.
    func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(scenario, forKey: .scenario)
        try values.encode(what, forKey: .what)
        try values.encode(unit, forKey: .unit)
        try values.encode(measured, forKey: .measured)
        try values.encodeIfPresent(floor, forKey: .floor)
        try values.encodeIfPresent(goal, forKey: .goal)
        try values.encodeIfPresent(ratio, forKey: .ratio)
        try values.encodeIfPresent(goal.flatMap(Goals.named)?.limitText, forKey: .limit)
        try values.encodeIfPresent(isReached, forKey: .reached)
        if isHigherBetter { try values.encode(true, forKey: .isHigherBetter) }
        if isVoid { try values.encode(true, forKey: .isVoid) }
    }
}

/// Three significant digits, or all of those before the point.
func significant(_ value: Double) -> String {
    grouped(decimals(value, abs(value) < 10 ? 2 : abs(value) < 100 ? 1 : 0))
}

/// Thousands set apart by commas: `325000` is `325,000`.
func grouped(_ number: String) -> String {
    let sign = number.hasPrefix("-") ? "-" : ""
    let parts = number.dropFirst(sign.count).split(separator: ".", omittingEmptySubsequences: false)
    guard let whole = parts.first, whole.allSatisfy(\.isNumber) else { return number }
    var text = ""
    for (index, digit) in whole.enumerated() {
        if index > 0, (whole.count - index).isMultiple(of: 3) { text += "," }
        text.append(digit)
    }
    return sign + ([text] + parts.dropFirst().map(String.init)).joined(separator: ".")
}
