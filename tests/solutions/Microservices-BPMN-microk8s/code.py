# %% start
body = {"variables": {"rnr": {"value": "123", "type": "long"}, "rbetrag": {"value": "200.00", "type": "String"}}}
