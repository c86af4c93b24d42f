// SPDX-License-Identifier: MIT
// The form of a chain's name, so that a deployment with a misspelt home chain never comes to be.
pragma solidity 0.8.37;

library Caip2 {
    /// @notice Whether `name` is CAIP-2: `[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}`.
    function isValid(string memory name) internal pure returns (bool) {
        bytes memory text = bytes(name);
        uint256 colon;
        while (colon < text.length && text[colon] != ":") ++colon;
        if (colon < 3 || colon > 8) return false;
        if (text.length < colon + 2 || text.length > colon + 33) return false;
        for (uint256 i; i < text.length; ++i) {
            bytes1 c = text[i];
            bool common = c == "-" || (c >= "a" && c <= "z") || (c >= "0" && c <= "9");
            bool inReference = i > colon && (c == "_" || (c >= "A" && c <= "Z"));
            if (i != colon && !common && !inReference) return false;
        }
        return true;
    }
}
